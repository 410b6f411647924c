"""Tokens of PyJWT, one a line, for the stories beside it.

In: an algorithm, a file with its key, and claims as JSON. Out: the token.
"""

import json
import sys

import jwt

algorithm, path, claims = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    print(jwt.encode(json.loads(claims), file.read(), algorithm=algorithm))
