"""Stories about aiocometd, the Bayeux client of Python, unmodified.

  TURTED_URL=http://127.0.0.1:7117 python3 bayeux.py

In: a server on which everybody may say anything but on what begins with "closed". Out: a verdict. The package is of 2019: what Python 3.10 took
away is put back here, and nothing of the package is changed.
"""
import asyncio
import functools
import json
import os
import time
import uuid

import aiohttp

SECONDS = 20


def put_back():
    """The argument `loop`, which was without effect, and awaitables that are no tasks yet."""
    for name in ("sleep", "wait_for", "gather", "Semaphore", "Queue", "Condition", "Event", "Lock"):
        thing = getattr(asyncio, name)
        if isinstance(thing, type):
            own = type(name, (thing,), {"__init__": lambda self, *a, _t=thing, loop=None, **k: _t.__init__(self, *a, **k)})
        else:
            own = functools.wraps(thing)(lambda *a, _t=thing, loop=None, **k: _t(*a, **k))
        setattr(asyncio, name, own)
    wait = asyncio.wait
    asyncio.wait = lambda things, loop=None, **k: wait([asyncio.ensure_future(one) for one in things], **k)


put_back()
from aiocometd import Client, ConnectionType  # noqa: E402
from aiocometd.exceptions import ServerError  # noqa: E402

URL = os.environ["TURTED_URL"]


async def push(channel, payload, event="NEWS"):
    body = {"event": event, "targets": {"channels": channel}, "payload": payload}
    async with aiohttp.ClientSession() as session:
        answer = await session.post(f"{URL}/push/", json=body)
        assert answer.status == 200, answer.status


async def tell(wiring):
    room = f"chat@{uuid.uuid4().hex[:10]}"
    begun = time.monotonic()
    async with Client(f"{URL}/bayeux", wiring) as client:
        opened = time.monotonic() - begun
        assert opened < 1.5, f"open took {opened} s"
        await client.subscribe(f"/{room}")
        for number in range(20):
            await push(room, {"number": number})
        heard = [await asyncio.wait_for(client.receive(), SECONDS) for _ in range(20)]
        assert [message["data"]["number"] for message in heard] == list(range(20)), heard
        assert all("id" not in message and "clientId" not in message for message in heard), heard
        assert heard[0]["ext"]["turted"]["event"] == "NEWS"
        for payload in ("text", 7, [1, None], {"Grüße": "€😀\u2028"}):
            await client.publish(f"/{room}", payload)
            message = await asyncio.wait_for(client.receive(), SECONDS)
            assert message["data"] == payload, message
        try:
            await client.subscribe("/meta/x")
            raise AssertionError("nobody may hear that")
        except ServerError as error:
            assert error.error_code == 403, error.error
        await client.unsubscribe(f"/{room}")
        # A connect is held meanwhile, and another one.
        await asyncio.sleep(4)
        await client.subscribe(f"/{room}/*")
        await push(f"{room}/last", "last")
        message = await asyncio.wait_for(client.receive(), SECONDS)
        assert (message["channel"], message["data"]) == (f"/{room}/last", "last"), message
    assert client.closed


async def main():
    wirings = {
        "websocket": ConnectionType.WEBSOCKET,
        "long-polling": ConnectionType.LONG_POLLING,
        "what it chooses": None,
    }
    # Of a task that it cancels itself the package expects what Python 3.8 took away.
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, about: isinstance(about.get("exception"), asyncio.CancelledError) or loop.default_exception_handler(about)
    )
    for name, wiring in wirings.items():
        await asyncio.wait_for(tell(wiring), 3 * SECONDS)
        print(json.dumps({"aiocometd": name, "passed": True}))


asyncio.run(main())
