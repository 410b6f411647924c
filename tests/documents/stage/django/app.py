"""An application with users and sessions in files, around what the page says."""
import sys
import tempfile

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="only here, and only for this test: " + "x" * 32,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF="app",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": tempfile.mktemp()}},
)
django.setup()

from django.contrib.auth import login as log_in  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.middleware.csrf import get_token  # noqa: E402
from django.urls import include, path  # noqa: E402


def login(request):
    user, _ = User.objects.get_or_create(username=request.GET["user"])
    log_in(request, user)
    return JsonResponse({"csrf": get_token(request)})


urlpatterns = [path("login", login)]
# The page's block.

if __name__ == "__main__":
    sys.modules["app"] = sys.modules["__main__"]
    call_command("migrate", verbosity=0)
    call_command("runserver", f"127.0.0.1:{sys.argv[1]}", use_reloader=False)
