<?php
// A Laravel application with users by name alone, around what the page says.

use Illuminate\Auth\GenericUser;
use Illuminate\Contracts\Auth\{Authenticatable, UserProvider};
use Illuminate\Foundation\Application;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\{Auth, Facade, Route};
use Illuminate\Support\ServiceProvider;

require_once 'Illuminate/autoload.php';
require_once 'GuzzleHttp/autoload.php';
require __DIR__ . '/Client.php';

/** Everybody is there. */
final class Names implements UserProvider
{
    public function retrieveById($identifier) { return new GenericUser(['id' => $identifier, 'remember_token' => null]); }
    public function retrieveByToken($identifier, $token) { return null; }
    public function updateRememberToken(Authenticatable $user, $token) {}
    public function retrieveByCredentials(array $credentials) { return null; }
    public function validateCredentials(Authenticatable $user, array $credentials) { return false; }
    public function rehashPasswordIfRequired(Authenticatable $user, array $credentials, bool $force = false) {}
}

final class AppServiceProvider extends ServiceProvider
{
    public function boot(): void
    {
        Auth::provider('names', fn () => new Names());
        Route::middleware('web')->group(function (): void {
            Route::get('/login', function (Request $request) {
                Auth::login(new GenericUser(['id' => $request->query('user'), 'remember_token' => null]));
                return ['csrf' => csrf_token()];
            });
            require __DIR__ . '/routes/web.php';
        });
    }
}

final class VerifyCsrfToken extends Illuminate\Foundation\Http\Middleware\VerifyCsrfToken
{
}

final class Kernel extends Illuminate\Foundation\Http\Kernel
{
    protected $middleware = [
        Illuminate\Foundation\Http\Middleware\TrimStrings::class,
        Illuminate\Foundation\Http\Middleware\ConvertEmptyStringsToNull::class,
    ];
    protected $middlewareGroups = ['web' => [
        Illuminate\Cookie\Middleware\EncryptCookies::class,
        Illuminate\Cookie\Middleware\AddQueuedCookiesToResponse::class,
        Illuminate\Session\Middleware\StartSession::class,
        VerifyCsrfToken::class,
        Illuminate\Routing\Middleware\SubstituteBindings::class,
    ]];
    protected $routeMiddleware = ['auth' => Illuminate\Auth\Middleware\Authenticate::class];
}

$app = new Application(__DIR__);
$app->singleton(Illuminate\Contracts\Http\Kernel::class, Kernel::class);
$app->singleton(Illuminate\Contracts\Debug\ExceptionHandler::class, Illuminate\Foundation\Exceptions\Handler::class);
$response = $app->make(Illuminate\Contracts\Http\Kernel::class)->handle($request = Request::capture());
$response->send();
