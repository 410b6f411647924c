<?php
// Stories about clients/php, told against running servers by run.sh, which names them in the environment.
// In: the client and the addresses of the stage. Out: a line per story; exit status 1 when one fails. A single warning fails it.

declare(strict_types=1);

use Turted\Client;
use Turted\Hook;
use Turted\Receipt;
use Turted\Token;
use Turted\TurtedException;

require getenv('TURTED_CLIENT') ?: __DIR__ . '/../../clients/php/src/Client.php';

set_error_handler(static fn (int $level, string $text, string $file, int $line) => throw new ErrorException($text, 0, $level, $file, $line));

const PASSWORD = 'correct horse battery staple';

function same(mixed $expected, mixed $got, string $what = 'value'): void
{
    if ($expected !== $got) {
        throw new LogicException("$what: expected " . var_export($expected, true) . ', got ' . var_export($got, true));
    }
}

/** The events that arrived since the last question, and their payloads as they came. */
function heard(): array
{
    $lines = explode("\n", trim(file_get_contents(getenv('WITNESS'))));
    return array_map(static function (string $line): array {
        ['event' => $event, 'via' => $via, 'id' => $id] = json_decode($line, true)['data'];
        preg_match('/"payload":(.*),"via":/s', $line, $raw);
        return ['event' => $event, 'payload' => $raw[1], 'via' => key($via), 'id' => $id];
    }, array_filter($lines));
}

function refused(callable $push): TurtedException
{
    try {
        $push();
    } catch (TurtedException $error) {
        foreach ([PASSWORD, 'wrong-secret'] as $secret) {
            same(false, str_contains((string) $error . print_r($error->getTrace(), true), $secret), 'the secret in the exception');
        }
        return $error;
    }
    throw new LogicException('expected an exception');
}

function misused(callable $call): string
{
    try {
        $call();
    } catch (InvalidArgumentException $error) {
        same(false, str_contains((string) $error, 'wrong-secret'), 'the secret in the exception');
        return $error->getMessage();
    }
    throw new LogicException('expected an InvalidArgumentException');
}

function seconds(callable $work): float
{
    $from = hrtime(true);
    $work();
    return (hrtime(true) - $from) / 1e9;
}

$open = getenv('TURTED_URL');
$turted = new Client($open);

$stories = [
    'a user, a channel and a mix of targets hear it, each connection once' => function () use ($turted) {
        $receipt = $turted->notifyUser('adam', 'A', ['n' => 1]);
        same(1, $receipt->recipients);
        $turted->notifyChannel('chat', 'B', ['n' => 2]);
        $turted->notify(['users' => 'adam', 'channels' => ['chat', 'chat'], 'broadcast' => true], 'C', ['n' => 3]);
        $turted->emit('MESSAGE:NEW', ['users' => 'adam', 'channels' => ['chat', 'chatlog']], ['msg' => 'hello', 'from' => 'eve']);
        same(0, $turted->notifyUser('nobody', 'D', [])->recipients);
        $heard = heard();
        same(['A', 'B', 'C', 'MESSAGE:NEW'], array_column($heard, 'event'));
        same(['user', 'channel', 'user', 'user'], array_column($heard, 'via'));
        same('{"msg":"hello","from":"eve"}', $heard[3]['payload']);
        same($receipt->id, $heard[0]['id']);
    },
    'payloads arrive byte for byte' => function () use ($turted) {
        $payloads = [
            '{"text":"Grüße, 世界 \u0000 😀","url":"a/b","quote":"\"\\\\\n"}' => ['text' => "Grüße, 世界 \0 😀", 'url' => 'a/b', 'quote' => "\"\\\n"],
            '[9223372036854775807,-9223372036854775808,0.1,1.0,1.0e+25]' => [PHP_INT_MAX, PHP_INT_MIN, 0.1, 1.0, 1e25],
            '{"object":{},"list":[],"deep":[[[{"a":[null,true,false]}]]]}' => ['object' => new stdClass(), 'list' => [], 'deep' => [[[['a' => [null, true, false]]]]]],
            '"just text"' => 'just text',
            'null' => null,
        ];
        foreach ($payloads as $payload) {
            $turted->notifyUser('adam', 'P', $payload);
        }
        same(array_map('strval', array_keys($payloads)), array_column(heard(), 'payload'));
    },
    'names may be numbers, and lists need no particular keys' => function () use ($turted) {
        same(1, $turted->notifyUser([3 => 'adam', 7 => 42], 'N', [])->recipients);
        same(0, $turted->notifyUser(42, 'N', [])->recipients);
        same(0, $turted->notifyChannel('chat', 'N', [], ['exclude' => ['users' => [5 => 'adam']]])->recipients);
        same(1, count(heard()));
    },
    'a repeated key gets the first receipt and dispatches nothing' => function () use ($turted) {
        $key = 'php-' . bin2hex(random_bytes(8));
        $first = $turted->notifyUser('adam', 'ONCE', 1, ['id' => $key]);
        same(get_object_vars($first), get_object_vars($turted->notifyUser('adam', 'ONCE', 1, ['id' => $key])));
        same(1, count(heard()));
    },
    'a batch keeps its order, and a wrong push spoils only itself' => function () use ($turted) {
        [$one, $two, $three] = $turted->batch([
            ['event' => 'ONE', 'targets' => ['users' => 'adam'], 'payload' => 1],
            ['event' => 'TWO', 'targets' => ['users' => ''], 'payload' => 2],
            ['event' => 'THREE', 'targets' => ['channels' => 'chat']],
        ]);
        same(true, $one instanceof Receipt && $three instanceof Receipt);
        same(['bad_target', 400], [$two->code(), $two->status()]);
        $heard = heard();
        same(['ONE', 'THREE'], array_column($heard, 'event'));
        same('{}', $heard[1]['payload']);
        same([], $turted->batch([]));
    },
    'what the server refuses is an exception with its code' => function () use ($turted) {
        $error = refused(fn () => $turted->notifyUser('', 'E', []));
        same(['bad_target', 400, 400, false], [$error->code(), $error->status(), $error->getCode(), $error->isRetryable()]);
        same('bad_event', refused(fn () => $turted->notifyUser('adam', "E\n", []))->code());
        same('too_large', refused(fn () => $turted->notifyUser('adam', 'E', str_repeat('x', 2 << 20)))->code());
        same('bad_batch', refused(fn () => $turted->batch(array_fill(0, 1001, ['event' => 'E'])))->code());
        same('bad_id', refused(fn () => $turted->notifyUser('adam', 'E', [], ['id' => str_repeat('k', 129)]))->code());
        same([], heard());
    },
    'what cannot be JSON is refused here' => function () use ($turted) {
        same('not_json', refused(fn () => $turted->notifyUser('adam', 'E', "\xff"))->code());
        same('not_json', refused(fn () => $turted->notifyUser('adam', 'E', NAN))->code());
        $loop = new stdClass();
        $loop->loop = $loop;
        same('not_json', refused(fn () => $turted->notifyUser('adam', 'E', $loop))->code());
    },
    'misspelt keys and senseless settings are refused' => function () use ($turted) {
        same('targets cannot have "user"; allowed are users, channels, broadcast', misused(fn () => $turted->emit('E', ['user' => 'adam'], [])));
        misused(fn () => $turted->notifyUser('adam', 'E', [], ['key' => 'x']));
        misused(fn () => $turted->batch([['event' => 'E', 'target' => []]]));
        misused(fn () => new Client('127.0.0.1:7117'));
        misused(fn () => new Client('ftp://127.0.0.1'));
        misused(fn () => new Client("http://127.0.0.1/\r\nX: y"));
        misused(fn () => new Client('http://adam:wrong-secret@127.0.0.1'));
        misused(fn () => new Client(bearer: "wrong-secret\r\nX: y"));
        misused(fn () => new Client(password: 'wrong-secret', bearer: 'wrong-secret'));
        misused(fn () => new Client(timeout: 0.0));
    },
    'credentials open the door, wrong ones do not and appear nowhere' => function () {
        $url = getenv('GUARDED');
        same(0, (new Client($url, password: PASSWORD))->notifyUser('adam', 'E', [])->recipients);
        same(1, count((new Client($url, password: PASSWORD))->batch([['event' => 'E']])));
        same(0, (new Client($url))->notifyUser('adam', 'E', [], ['auth' => ['password' => PASSWORD]])->recipients);
        $error = refused(fn () => (new Client($url, password: 'wrong-secret'))->notifyUser('adam', 'E', []));
        same(['denied', 401, false, 'Wrong auth data'], [$error->code(), $error->status(), $error->isRetryable(), $error->getMessage()]);
        same('denied', refused(fn () => (new Client($url, bearer: 'wrong-secret'))->notifyUser('adam', 'E', []))->code());
        same('denied', refused(fn () => (new Client($url))->batch([['event' => 'E']]))->code());
        $client = new Client($url, password: PASSWORD);
        ob_start();
        var_dump($client);
        same(false, str_contains(ob_get_clean() . print_r($client, true), PASSWORD));
    },
    'a bearer token opens the door' => function () {
        same(0, (new Client(getenv('GUARDED_TOKEN')))->notifyUser('adam', 'E', [], ['auth' => ['username' => 'shop', 'token' => getenv('TOKEN')]])->recipients);
        same(0, (new Client(getenv('GUARDED_TOKEN'), bearer: 'shop:' . getenv('TOKEN')))->notifyUser('adam', 'E', [])->recipients);
    },
    'nobody listens there' => function () {
        $error = refused(fn () => (new Client(getenv('CLOSED'), password: PASSWORD))->notifyUser('adam', 'E', []));
        same(['unreachable', 0, true], [$error->code(), $error->status(), $error->isRetryable()]);
        same(true, str_contains($error->getMessage(), 'Connection refused'), $error->getMessage());
        same('unreachable', refused(fn () => (new Client('http://no-such-host.invalid'))->notifyUser('adam', 'E', []))->code());
    },
    'a server that never answers costs the time-out and no more' => function () {
        foreach ([['x', 'http'], [str_repeat('x', 8 << 20), 'http'], ['x', 'https']] as [$payload, $scheme]) {
            $url = preg_replace('/^http/', $scheme, getenv('SILENT'));
            $took = seconds(function () use ($url, $payload) {
                $error = refused(fn () => (new Client($url, timeout: 0.5))->notifyUser('adam', 'E', $payload));
                same(['timeout', true], [$error->code(), $error->isRetryable()]);
            });
            same(true, $took >= 0.45 && $took < 5, "$took s");
        }
    },
    'an overloaded server is asked again when it said, with the same key' => function () use ($turted) {
        $took = seconds(fn () => same(1, $turted->notifyUser('adam', 'BUSY', [], ['url' => getenv('BUSY')])->recipients));
        same(true, $took >= 1 && $took < 5, "$took s");
        same(1, count(heard()));
        $error = refused(fn () => (new Client(getenv('BUSY'), retries: 0))->notifyUser('adam', 'BUSY', []));
        same(['overloaded', 503, true], [$error->code(), $error->status(), $error->isRetryable()]);
        same('overloaded', refused(fn () => (new Client(getenv('BUSY'), timeout: 0.5))->notifyUser('adam', 'BUSY', []))->code());
        same([], heard());
    },
    'an answer that was lost does not dispatch twice' => function () {
        same(1, (new Client(getenv('LOSSY')))->notifyUser('adam', 'LOST', [])->recipients);
        same(1, count(heard()));
        same('lost', refused(fn () => (new Client(getenv('LOSSY'), retries: 0))->notifyUser('adam', 'LOST', []))->code());
        same(1, count(heard()));
    },
    'a batch that was taken in part is completed' => function () {
        $pushes = array_map(fn (int $n) => ['event' => "E$n", 'targets' => ['users' => 'adam']], range(1, 3));
        same([1, 1, 1], array_column((new Client(getenv('PARTLY')))->batch($pushes), 'recipients'));
        same(['E1', 'E2', 'E3'], array_column(heard(), 'event'));
        [$one, $two] = (new Client(getenv('PARTLY'), retries: 0))->batch($pushes);
        same([1, 'overloaded', true], [$one->recipients, $two->code(), $two->isRetryable()]);
        same(['E1'], array_column(heard(), 'event'));
    },
    'something that is not turted is recognised' => function () {
        $error = refused(fn () => (new Client(getenv('WEBSITE')))->notifyUser('adam', 'E', []));
        same(['bad_answer', 200, false], [$error->code(), $error->status(), $error->isRetryable()]);
        same(['bad_answer', 404], [($error = refused(fn () => (new Client(getenv('TURTED_URL') . '/elsewhere'))->notifyUser('adam', 'E', [])))->code(), $error->status()]);
    },
    'https is verified, and trusts whom it is told to trust' => function () {
        $error = refused(fn () => (new Client(getenv('SECURE')))->notifyUser('adam', 'E', []));
        same(['tls', false], [$error->code(), $error->isRetryable()]);
        same(true, str_contains($error->getMessage(), 'certificate verify failed'), $error->getMessage());
        $trusting = new Client(getenv('SECURE'), tls: ['cafile' => getenv('CERTIFICATE')]);
        same(0, $trusting->notifyUser('adam', 'E', str_repeat('x', 900_000))->recipients);
        $elsewhere = str_replace('localhost', '127.0.0.1', getenv('SECURE'));
        same('tls', refused(fn () => (new Client($elsewhere, tls: ['cafile' => getenv('CERTIFICATE')]))->notifyUser('adam', 'E', []))->code());
    },
    'a ticket is asked for beside the push door, again when the server is busy' => function () {
        $stage = getenv('TICKETS');
        $asked = fn (Client $client, mixed ...$wish): array => json_decode($client->ticket(...$wish), true);
        $said = $asked(new Client($stage), 'adam');
        same(['/api/tickets', null], [$said['url'], $said['authorization']]);
        same(['user' => 'adam', 'expires' => '1h', 'ttl' => '30s'], $said['asked']);
        $said = $asked(new Client("$stage/live/push/?x=1", password: PASSWORD), 7, '5m', '10s', ['join' => ['room.7']], ['org' => 'acme']);
        same('/live/api/tickets', $said['url']);
        same(['user' => '7', 'expires' => '5m', 'ttl' => '10s', 'may' => ['join' => ['room.7']], 'claims' => ['org' => 'acme']], $said['asked']);
        // The server API reads no credentials in the body: with a password there were no tickets.
        same('Bearer ' . PASSWORD, $said['authorization']);
        same(1, preg_match('/^tk_/', (new Client(getenv('GUARDED'), password: PASSWORD))->ticket('adam')));
        same('denied', refused(fn () => (new Client(getenv('GUARDED'), password: 'wrong'))->ticket('adam'))->code());
        same('Bearer wrong-secret', $asked(new Client("$stage/push", bearer: 'wrong-secret'), null)['authorization']);
        same('bad_answer', refused(fn () => (new Client(getenv('WEBSITE'), retries: 0))->ticket('adam'))->code());
    },
    'a token is made in one line, and others read it' => function () {
        $secret = str_repeat('s', 32);
        [$head, $body, $signature] = explode('.', Token::make('adam', $secret, 60, ['join' => ['room.7']], ['user.adam'], ['org' => 'acme']));
        $read = fn (string $part): string => base64_decode(strtr($part, '-_', '+/'), true);
        same(['alg' => 'HS256', 'typ' => 'JWT'], json_decode($read($head), true));
        $claims = json_decode($read($body), true);
        same(['adam', ['join' => ['room.7']], ['user.adam'], 'acme', 60], [$claims['sub'], $claims['may'], $claims['join'], $claims['org'], $claims['exp'] - $claims['iat']]);
        same(hash_hmac('sha256', "$head.$body", $secret, true), $read($signature));
        same(false, isset(json_decode($read(explode('.', Token::make(null, $secret))[1]), true)['sub']));
        // A claim cannot make it somebody else's, or longer.
        same('adam', json_decode($read(explode('.', Token::make('adam', $secret, claims: ['sub' => 'eve']))[1]), true)['sub']);
        same('the secret of tokens must have at least 32 bytes', misused(fn () => Token::make('adam', 'wrong-secret')));
        misused(fn () => Token::make('adam', $secret, 0));
    },
    'a question of the server is believed only with a fresh signature' => function () {
        $body = '{"verb":"ident","data":{"n":1.0}}';
        $sign = fn (string $key, string $body, int $time, string $id = 'msg_1'): string => 'v1,' . base64_encode(hash_hmac('sha256', "$id.$time.$body", $key, true));
        $now = time();
        $headers = fn (string $signature, int|string $time, string $id = 'msg_1'): array => ['Webhook-Id' => $id, 'Webhook-Timestamp' => (string) $time, 'Webhook-Signature' => $signature];
        $good = $headers($sign('new', $body, $now), $now);
        same('ident', Hook::read('new', $body, $good)['verb']);
        same('ident', Hook::read(['old', 'new'], $body, $good)['verb']);
        same('ident', Hook::read('whsec_' . base64_encode('new'), $body, $good)['verb']);
        same('ident', Hook::read('new', $body, $headers('v1a,x ' . $sign('old', $body, $now) . ' ' . $sign('new', $body, $now), $now))['verb']);
        same('ident', Hook::read('new', $body, ['HTTP_WEBHOOK_ID' => 'msg_1', 'HTTP_WEBHOOK_TIMESTAMP' => (string) $now, 'HTTP_WEBHOOK_SIGNATURE' => $sign('new', $body, $now)])['verb']);
        // The vector that the specification of Standard Webhooks gives.
        $vector = ['webhook-id' => 'msg_p5jXN8AQM9LWM0D4loKWxJek', 'webhook-timestamp' => '1614265330', 'webhook-signature' => 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='];
        same(['test' => 2432232314], Hook::read('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', '{"test": 2432232314}', $vector, PHP_INT_MAX));
        foreach ([
            'another secret' => ['old', $body, $good],
            'another body' => ['new', "$body ", $good],
            'another id' => ['new', $body, $headers($sign('new', $body, $now), $now, 'msg_2')],
            'another time' => ['new', $body, $headers($sign('new', $body, $now), $now - 1)],
            'too old' => ['new', $body, $headers($sign('new', $body, $now - 301), $now - 301)],
            'of the future' => ['new', $body, $headers($sign('new', $body, $now + 400), $now + 400)],
            'no time' => ['new', $body, $headers($sign('new', $body, 0), '')],
            'no number' => ['new', $body, $headers($sign('new', $body, $now), "$now ")],
            'no signature' => ['new', $body, $headers('', $now)],
            'another version' => ['new', $body, $headers('v2' . substr($sign('new', $body, $now), 2), $now)],
            'no headers' => ['new', $body, []],
            'no JSON' => ['new', 'x', $headers($sign('new', 'x', $now), $now)],
        ] as $what => [$secret, $text, $given]) {
            $error = refused(fn () => Hook::read($secret, $text, $given));
            same(['bad_signature', 400, false], [$error->code(), $error->status(), $error->isRetryable()], $what);
        }
        misused(fn () => Hook::read('', $body, $good));
    },
    'a client cannot be stored' => function () use ($turted) {
        try {
            serialize($turted);
        } catch (LogicException $error) {
            same(true, str_contains($error->getMessage(), 'cannot be serialized'));
            return;
        }
        throw new LogicException('it was serialized');
    },
];

$failed = 0;
foreach ($stories as $name => $story) {
    try {
        heard();
        $story();
        echo "ok      php: $name\n";
    } catch (Throwable $error) {
        $failed++;
        $where = $error->getFile() . ':' . $error->getLine();
        echo "FAILED  php: $name\n        " . get_class($error) . ": {$error->getMessage()} ($where)\n        " . str_replace("\n", "\n        ", $error->getTraceAsString()) . "\n";
    }
}
exit($failed === 0 ? 0 : 1);
