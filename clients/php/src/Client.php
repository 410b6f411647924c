<?php
/*
 * Turted\Client: the PHP way into turted.
 *
 * In:  events for users, channels or everybody, with anything json_encode takes as the payload; and for whom tokens and tickets are.
 * Out: one HTTP POST each and the server's receipt, or a TurtedException. Never a warning, and never later than the time-out.
 *      Token makes what a page shows the server; Hook reads what the server asks.
 * Every push carries an idempotency key, so that repeating one whose answer was lost dispatches nothing twice.
 * It refuses to know: frameworks, extensions (https alone needs openssl) and who listens.
 *
 *   $turted = new Turted\Client('http://127.0.0.1:7117', password: getenv('TURTED_PUSH_PASSWORD'));
 *   $turted->notifyUser('adam', 'MESSAGE:NEW', ['text' => 'hello']);
 */

declare(strict_types=1);

namespace Turted;

class Client
{
    private const FLAGS =
        JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION;
    /** Bytes of an answer after which it cannot be one of turted: a thousand receipts are far smaller. */
    private const LONGEST_ANSWER = 4 << 20;

    private array $door;
    private mixed $auth;
    private string $header;
    private float $timeout;
    private int $retries;
    private array $tls;

    /**
     * Connects to nothing yet.
     *
     * @param string      $url      the server, or the full URL of its push door; without a path it is /push/
     * @param string|null $password what [auth.backends] of the server asks for, sent in the body as TURTED always did
     * @param string|null $bearer   sent as "Authorization: Bearer …" instead
     * @param float       $timeout  seconds that one call may take altogether: connecting, waiting, repeating
     * @param int         $retries  how often a push is repeated within that time when the server cannot be reached or is busy
     * @param array       $tls      options of PHP's "ssl" stream context, such as ['cafile' => 'ca.pem']; certificates are verified
     *
     * @throws \InvalidArgumentException when one of them makes no sense
     */
    public function __construct(
        string $url = 'http://127.0.0.1:7117',
        #[\SensitiveParameter] ?string $password = null,
        #[\SensitiveParameter] ?string $bearer = null,
        float $timeout = 5.0,
        int $retries = 2,
        array $tls = [],
    ) {
        if ($password !== null && $bearer !== null) {
            throw new \InvalidArgumentException('give a password or a bearer token, not both');
        }
        if ($bearer !== null && preg_match('/^[\x21-\x7e]+$/D', $bearer) !== 1) {
            throw new \InvalidArgumentException('the bearer token must be visible ASCII characters, without spaces');
        }
        if (!is_finite($timeout) || $timeout <= 0) {
            throw new \InvalidArgumentException('timeout must be more than 0 seconds');
        }
        if ($retries < 0) {
            throw new \InvalidArgumentException('retries must be 0 or more');
        }
        $this->door = self::door($url);
        $this->auth = $password === null ? null : ['password' => $password];
        $this->header = $bearer === null ? '' : "Authorization: Bearer $bearer\r\n";
        $this->timeout = $timeout;
        $this->retries = $retries;
        $this->tls = $tls;
    }

    /**
     * Tells one user, or several, on all of their connections.
     *
     * @param string|int|array<string|int> $user
     * @param array                        $options id, exclude, auth, url: see push()
     *
     * @throws TurtedException when there is no receipt
     */
    public function notifyUser(string|int|array $user, string $event, mixed $payload, array $options = []): Receipt
    {
        return $this->push(['users' => $user], $event, $payload, $options);
    }

    /**
     * Tells everybody in one channel, or in several; who is in two of them gets the event once.
     *
     * @param string|int|array<string|int> $channel
     * @param array                        $options id, exclude, auth, url: see push()
     *
     * @throws TurtedException when there is no receipt
     */
    public function notifyChannel(string|int|array $channel, string $event, mixed $payload, array $options = []): Receipt
    {
        return $this->push(['channels' => $channel], $event, $payload, $options);
    }

    /**
     * Tells any mix of targets: ['users' => 'adam', 'channels' => ['chat', 'news'], 'broadcast' => true].
     *
     * @param array $options id, exclude, auth, url: see push()
     *
     * @throws TurtedException when there is no receipt
     */
    public function notify(array $targets, string $event, mixed $payload, array $options = []): Receipt
    {
        return $this->push($targets, $event, $payload, $options);
    }

    /**
     * The same as notify(), in the order of the first TURTED: emit('MESSAGE:NEW', $targets, $data).
     *
     * @throws TurtedException when there is no receipt
     */
    public function emit(string $event, array $targets, mixed $data, array $options = []): Receipt
    {
        return $this->push($targets, $event, $data, $options);
    }

    /**
     * Dispatches up to 1,000 pushes in order, with one request. A push that the server refuses does not keep back the others.
     *
     * @param iterable<array> $pushes  each with event, targets, payload, and if wanted exclude and id
     * @param array           $options auth, url
     *
     * @return list<Receipt|TurtedException> what became of each, in the same order
     *
     * @throws TurtedException when there is no answer for each: no connection, wrong credentials, a list that is too long
     */
    public function batch(iterable $pushes, array $options = []): array
    {
        self::only(['auth', 'url'], $options, 'the options of a batch');
        $list = [];
        foreach ($pushes as $push) {
            self::only(['event', 'targets', 'payload', 'exclude', 'id'], $push, 'a push');
            $list[] = $this->envelope($push, $options);
        }
        if ($list === []) {
            return [];
        }
        $door = isset($options['url']) ? self::door($options['url']) : $this->door;
        $answer = $this->deliver($door, self::json($list), count($list));
        $made = static fn (array $one) => isset($one['error']) ? TurtedException::told($one['error'], 400) : self::receipt($one);
        return array_map($made, $answer);
    }

    /**
     * A ticket for a page: it shows it to the server once, within $ttl, as "?ticket=…" or to ident(), and is that user for $expires.
     *
     * @param string|null $user   nobody in particular if null
     * @param array       $may    what it may beside what rules say: ['join' => ['room.7']]
     * @param array       $claims what rules may ask for: ['org' => 'acme']
     *
     * @throws TurtedException           when there is none
     * @throws \InvalidArgumentException when the password cannot stand in a header
     */
    public function ticket(
        string|int|null $user,
        string $expires = '1h',
        string $ttl = '30s',
        array $may = [],
        array $claims = [],
    ): string {
        $wish = ['user' => $user === null ? null : (string) $user, 'expires' => $expires, 'ttl' => $ttl]
            + array_map(static fn (array $some): object => (object) $some, array_filter(['may' => $may, 'claims' => $claims]));
        $path = preg_replace('~(/push)?/?(\?.*)?$~D', '/api/tickets', $this->door['path'], 1);
        $shaped = static fn (mixed $one): bool => is_string($one['ticket'] ?? null);
        return $this->authorized()->deliver(['path' => $path] + $this->door, self::json($wish), null, $shaped)['ticket'];
    }

    /** The same client for the server API, which takes credentials in the header only, a password as it is. */
    private function authorized(): self
    {
        if ($this->auth === null) {
            return $this;
        }
        if (preg_match('/^[\x20-\x7e]+$/D', $this->auth['password']) !== 1) {
            throw new \InvalidArgumentException('for a ticket the password must be visible ASCII characters and spaces');
        }
        $client = clone $this;
        $client->header = "Authorization: Bearer {$this->auth['password']}\r\n";
        return $client;
    }

    /** Shows no credentials to var_dump() and print_r(). */
    public function __debugInfo(): array
    {
        return ['url' => $this->door['shown'], 'timeout' => $this->timeout, 'retries' => $this->retries];
    }

    /** A client holds credentials and does not belong in a session or a cache. */
    public function __serialize(): array
    {
        throw new \LogicException('a Turted\Client cannot be serialized');
    }

    /**
     * Options: id, the idempotency key (1 to 128 bytes; a random one otherwise); exclude, ['connections' => …, 'users' => …];
     * auth, the credentials of this push in place of the password; url, another server.
     */
    private function push(array $targets, string $event, mixed $payload, array $options): Receipt
    {
        self::only(['id', 'exclude', 'auth', 'url'], $options, 'the options of a push');
        $door = isset($options['url']) ? self::door($options['url']) : $this->door;
        $push = $this->envelope(['event' => $event, 'targets' => $targets, 'payload' => $payload] + $options, $options);
        return self::receipt($this->deliver($door, self::json($push), null));
    }

    /** What goes over the wire for one push. */
    private function envelope(array $push, array $options): array
    {
        $envelope = ['event' => $push['event'] ?? ''];
        $envelope['targets'] = self::names(['users', 'channels', 'broadcast'], $push['targets'] ?? [], 'targets');
        if (array_key_exists('payload', $push)) {
            $envelope['payload'] = $push['payload'];
        }
        if (isset($push['exclude'])) {
            $envelope['exclude'] = self::names(['connections', 'users'], $push['exclude'], 'exclude');
        }
        $envelope['id'] = $push['id'] ?? bin2hex(random_bytes(16));
        $auth = $options['auth'] ?? $this->auth;
        return $auth === null ? $envelope : $envelope + ['auth' => $auth];
    }

    /** Lists are lists whatever their keys, and numbers that name users become the strings that they are. */
    private static function names(array $allowed, mixed $named, string $what): object
    {
        self::only($allowed, $named, $what);
        $text = static fn (mixed $name): mixed => is_int($name) ? (string) $name : $name;
        $each = static fn (mixed $names): mixed => is_array($names) ? array_values(array_map($text, $names)) : $text($names);
        return (object) array_map($each, $named);
    }

    /** A misspelt key would be ignored by the server, and somebody would wait for an event in vain. */
    private static function only(array $allowed, mixed $given, string $what): void
    {
        if (!is_array($given)) {
            throw new \InvalidArgumentException("$what must be an array");
        }
        foreach (array_diff(array_keys($given), $allowed) as $unknown) {
            $known = implode(', ', $allowed);
            throw new \InvalidArgumentException("$what cannot have \"$unknown\"; allowed are $known");
        }
    }

    private static function json(#[\SensitiveParameter] array $value): string
    {
        try {
            return json_encode($value, self::FLAGS);
        } catch (\JsonException $error) {
            throw new TurtedException('not_json', "the push cannot be written as JSON: {$error->getMessage()}");
        }
    }

    /** Where a URL leads. What it holds besides is not repeated in messages. */
    private static function door(#[\SensitiveParameter] string $url): array
    {
        $parts = parse_url($url);
        $scheme = strtolower($parts['scheme'] ?? '');
        if (!isset($parts['host']) || !in_array($scheme, ['http', 'https'], true) || preg_match('/[\x00-\x20\x7f-\xff]/', $url)) {
            throw new \InvalidArgumentException('the URL of the server must look like http://host:port or https://host');
        }
        if (isset($parts['user']) || isset($parts['pass'])) {
            throw new \InvalidArgumentException('credentials belong into password or bearer, not into the URL');
        }
        $secure = $scheme === 'https';
        $port = $parts['port'] ?? ($secure ? 443 : 80);
        $path = in_array($parts['path'] ?? '/', ['', '/'], true) ? '/push/' : $parts['path'];
        return [
            'shown' => "{$parts['host']}:$port",
            'socket' => ($secure ? 'tls' : 'tcp') . "://{$parts['host']}:$port",
            'host' => $parts['host'] . (isset($parts['port']) ? ":$port" : ''),
            'path' => $path . (isset($parts['query']) ? "?{$parts['query']}" : ''),
        ];
    }

    /**
     * Repeats what may be repeated until the time is up. The key makes that harmless: what was dispatched already
     * answers with its first receipt.
     *
     * @param int|null      $count  how many answers must come back; null for one that is no list
     * @param callable|null $shaped whether one is what was asked for; a receipt if null
     */
    private function deliver(array $door, #[\SensitiveParameter] string $body, ?int $count, ?callable $shaped = null): array
    {
        $shaped ??= static fn (mixed $one): bool => is_string($one['id'] ?? null) && is_int($one['recipients'] ?? null);
        $deadline = self::now() + $this->timeout;
        $partly = null;
        for ($attempt = 0; ; $attempt++) {
            [$answer, $failure, $wait] = $this->attempt($door, $body, $count, $shaped, $deadline);
            if ($failure === null) {
                return $answer;
            }
            $partly = $answer ?? $partly;
            // Full jitter, so that backends that failed together do not come back together.
            $pause = max($wait, 0.05 + mt_rand() / mt_getrandmax() * 0.2 * 2 ** $attempt);
            if (!$failure->isRetryable() || $attempt >= $this->retries || self::now() + $pause >= $deadline) {
                return $partly ?? throw $failure;
            }
            usleep((int) ($pause * 1e6));
        }
    }

    /** [the answer, what went wrong, seconds the server asks to wait]; a list that was dispatched in part is both. */
    private function attempt(
        array $door,
        #[\SensitiveParameter] string $body,
        ?int $count,
        callable $shaped,
        float $deadline,
    ): array {
        try {
            [$status, $wait, $text] = $this->post($door, $body, $deadline);
        } catch (TurtedException $failure) {
            return [null, $failure, 0.0];
        }
        $answer = json_decode($text, true);
        if ($status >= 400 && isset($answer['error'])) {
            return [null, TurtedException::told($answer['error'], $status), $wait];
        }
        $list = $count === null ? [$answer] : $answer;
        $fits = static fn (mixed $one): bool => isset($one['error']) || $shaped($one);
        if (!is_array($list) || count($list) !== ($count ?? 1) || array_filter($list, $fits) !== $list || $status >= 300 && $count === null) {
            $message = "the server answered {$status} without a receipt; is {$door['shown']}{$door['path']} a door of turted?";
            return [null, new TurtedException('bad_answer', $message, $status), $wait];
        }
        foreach ($list as $one) {
            $failure = isset($one['error']) ? TurtedException::told($one['error'], 503) : null;
            if ($failure !== null && in_array($failure->code(), ['overloaded', 'shutting_down'], true)) {
                return [$answer, $failure, $wait];
            }
        }
        return [$answer, null, 0.0];
    }

    private static function receipt(array $answer): Receipt
    {
        return new Receipt($answer['id'], $answer['recipients']);
    }

    // ---- HTTP over a plain stream: it works where allow_url_fopen is off, and every step knows the deadline ----------------

    /** [status, seconds to wait, body] */
    private function post(array $door, #[\SensitiveParameter] string $body, float $deadline): array
    {
        $request = "POST {$door['path']} HTTP/1.1\r\nHost: {$door['host']}\r\nConnection: close\r\nUser-Agent: turted-php\r\n"
            . "Accept: application/json\r\nContent-Type: application/json\r\n{$this->header}Content-Length: " . strlen($body) . "\r\n\r\n$body";
        $complaints = [];
        set_error_handler(static function (int $level, string $text) use (&$complaints): bool {
            $complaints[] = $text;
            return true;
        });
        $wire = false;
        try {
            $context = stream_context_create(['ssl' => $this->tls + ['verify_peer' => true, 'verify_peer_name' => true]]);
            $patience = max(0.001, $deadline - self::now());
            $wire = stream_socket_client($door['socket'], $number, $why, $patience, STREAM_CLIENT_CONNECT, $context);
            if ($wire === false) {
                throw self::unreachable($door, (string) $why, $complaints, $deadline);
            }
            self::write($wire, $request, $deadline);
            return self::read($wire, $door, $deadline);
        } finally {
            if ($wire !== false) {
                fclose($wire);
            }
            restore_error_handler();
        }
    }

    /** A server that hangs up early may have said why, so a write that fails is left to the reading to judge. */
    private static function write($wire, #[\SensitiveParameter] string $request, float $deadline): void
    {
        for ($at = 0; $at < strlen($request); $at += $written) {
            self::patience($wire, $deadline);
            $written = fwrite($wire, substr($request, $at, 65536));
            if (!$written) {
                return;
            }
        }
    }

    private static function read($wire, array $door, float $deadline): array
    {
        for ($bytes = ''; strlen($bytes) < self::LONGEST_ANSWER; $bytes .= $chunk) {
            $left = self::patience($wire, $deadline);
            $chunk = $left ? fread($wire, 65536) : '';
            if (!$left || stream_get_meta_data($wire)['timed_out']) {
                throw new TurtedException('timeout', "no answer from {$door['shown']} in time");
            }
            $ended = $chunk === '' || $chunk === false;
            $answer = self::parse($bytes . $chunk, $ended);
            if ($answer !== null) {
                return $answer;
            }
            if ($ended) {
                throw new TurtedException('lost', "{$door['shown']} hung up before its answer was complete");
            }
        }
        throw new TurtedException('bad_answer', "the answer of {$door['shown']} is too long for turted");
    }

    /** What an HTTP response says, once it is complete. */
    private static function parse(string $bytes, bool $ended): ?array
    {
        if (strncmp($bytes, 'HTTP/', min(5, strlen($bytes))) !== 0) {
            throw new TurtedException('bad_answer', 'the server does not speak HTTP');
        }
        [$head, $body] = explode("\r\n\r\n", $bytes, 2) + [1 => null];
        if ($body === null || preg_match('~^HTTP/1\.[01] (\d{3})~', $head, $status) !== 1) {
            return null;
        }
        if ($status[1] < 200) {
            return self::parse($body, $ended);
        }
        $header = static fn (string $name): string => preg_match("~^$name:[ \t]*(.*?)[ \t]*\r?$~mi", $head, $found) ? $found[1] : '';
        $length = $header('Content-Length');
        $wait = is_numeric($header('Retry-After')) ? max(0.0, (float) $header('Retry-After')) : 0.0;
        if (stripos($header('Transfer-Encoding'), 'chunked') !== false) {
            $body = self::dechunk($body);
        } elseif (preg_match('/^\d+$/D', $length) === 1) {
            $body = strlen($body) < $length ? null : substr($body, 0, (int) $length);
        } elseif (!$ended) {
            $body = null;
        }
        return $body === null ? null : [(int) $status[1], $wait, $body];
    }

    /** The body, or null while the last chunk is missing. */
    private static function dechunk(string $bytes): ?string
    {
        for ($body = ''; preg_match('/^([0-9a-f]{1,7})[^\r\n]*\r\n/i', $bytes, $line) === 1; $bytes = substr($bytes, $size + 2)) {
            $size = (int) hexdec($line[1]);
            $bytes = substr($bytes, strlen($line[0]));
            if ($size === 0) {
                return $body;
            }
            $body .= substr($bytes, 0, $size);
            if (strlen($bytes) < $size + 2) {
                return null;
            }
        }
        return null;
    }

    private static function unreachable(array $door, string $why, array $complaints, float $deadline): TurtedException
    {
        $all = implode('; ', $complaints);
        if (preg_match('/SSL|certificate|crypto|transport "tls"/i', $all) === 1 && self::now() < $deadline) {
            $lines = preg_replace('/\s+/', ' ', $all);
            return new TurtedException('tls', "no trust in the connection to {$door['shown']}: $lines");
        }
        if (self::now() >= $deadline) {
            return new TurtedException('timeout', "no connection to {$door['shown']} in time");
        }
        $why = $why !== '' ? $why : ($all !== '' ? $all : 'no reason given');
        return new TurtedException('unreachable', "no connection to {$door['shown']}: $why");
    }

    /** Bounds the next step by what is left; false when nothing is. */
    private static function patience($wire, float $deadline): bool
    {
        $left = max(0.001, $deadline - self::now());
        stream_set_timeout($wire, (int) $left, (int) (fmod($left, 1) * 1e6));
        return self::now() < $deadline;
    }

    /** Seconds of a clock that nobody sets. */
    private static function now(): float
    {
        return hrtime(true) / 1e9;
    }
}

/** What a page shows the server, made where your users are known: for [auth.clients] type = "jwt" with a secret. */
final class Token
{
    private const SHORTEST = 32;

    /**
     * A JSON Web Token (HS256): Token::make('adam', getenv('TURTED_JWT_SECRET')).
     *
     * @param string|null $user     nobody in particular if null
     * @param string      $secret   that of [auth.clients], at least 32 bytes
     * @param int         $lifetime seconds
     * @param array       $may      what it may beside what rules say: ['join' => ['room.7'], 'publish' => ['typing.*']]
     * @param array       $join     channels to join at once
     * @param array       $claims   anything else, such as ['org' => 'acme', 'iss' => …, 'aud' => …]
     *
     * @throws \InvalidArgumentException when the secret is too short, or the token would never be good
     */
    public static function make(
        string|int|null $user,
        #[\SensitiveParameter] string $secret,
        int $lifetime = 3600,
        array $may = [],
        array $join = [],
        array $claims = [],
    ): string {
        if (strlen($secret) < self::SHORTEST) {
            throw new \InvalidArgumentException('the secret of tokens must have at least ' . self::SHORTEST . ' bytes');
        }
        if ($lifetime <= 0) {
            throw new \InvalidArgumentException('a token must hold for more than 0 seconds');
        }
        $own = array_filter(['may' => $may, 'join' => array_values($join)]);
        $times = ['iat' => time(), 'exp' => time() + $lifetime, 'jti' => bin2hex(random_bytes(8))];
        $body = ($user === null ? [] : ['sub' => (string) $user]) + $own + $claims + $times;
        $json = static fn (array $part): string => json_encode($part, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
        $signed = self::base64($json(['alg' => 'HS256', 'typ' => 'JWT'])) . '.' . self::base64($json($body));
        return "$signed." . self::base64(hash_hmac('sha256', $signed, $secret, true));
    }

    private static function base64(string $bytes): string
    {
        return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
    }
}

/** What the server asks your backend, signed as Standard Webhooks are: type = "callback", [may.ask], webhooks. */
final class Hook
{
    /**
     * The question, if it is one of the server's: Hook::read(getenv('TURTED_HOOK_SECRET')).
     *
     * @param string|list<string> $secrets   what the configuration has; several while you change them
     * @param string|null         $body      the body as it came, byte for byte; that of this request if null
     * @param array|null          $headers   by name, in any case and also as in $_SERVER; those of this request if null
     * @param int                 $tolerance seconds by which the clocks may differ: what is older was perhaps recorded
     *
     * @throws TurtedException with the code bad_signature, to be answered with 400
     */
    public static function read(
        #[\SensitiveParameter] string|array $secrets,
        ?string $body = null,
        ?array $headers = null,
        int $tolerance = 300,
    ): array {
        $body ??= (string) file_get_contents('php://input');
        $sent = [];
        foreach ($headers ?? $_SERVER as $name => $value) {
            $name = strtolower(strtr((string) $name, '_', '-'));
            $sent[str_starts_with($name, 'http-') ? substr($name, 5) : $name] = is_array($value) ? implode(' ', $value) : (string) $value;
        }
        [$id, $time, $signatures] = [$sent['webhook-id'] ?? '', $sent['webhook-timestamp'] ?? '', $sent['webhook-signature'] ?? ''];
        if ($id === '' || $signatures === '' || preg_match('/^\d{1,12}$/D', $time) !== 1) {
            throw self::no('the headers webhook-id, webhook-timestamp and webhook-signature are not all there');
        }
        if (abs(time() - (int) $time) > $tolerance) {
            throw self::no('it was signed too long ago, or the clocks differ');
        }
        $known = false;
        foreach ((array) $secrets as $secret) {
            $key = str_starts_with($secret, 'whsec_') ? (string) base64_decode(substr($secret, 6), true) : $secret;
            if ($key === '') {
                throw new \InvalidArgumentException('the secret of hooks must not be empty');
            }
            $right = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$time.$body", $key, true));
            // Every one is compared, and none tells by its time how much of it is right (CWE-208).
            foreach (explode(' ', $signatures) as $signature) {
                $known = hash_equals($right, $signature) || $known;
            }
        }
        $question = $known ? json_decode($body, true) : null;
        return is_array($question) ? $question : throw self::no($known ? 'it is no JSON object' : 'no signature of it is right');
    }

    private static function no(string $why): TurtedException
    {
        return new TurtedException('bad_signature', "this is no question of the server: $why", 400);
    }
}

/** What the server did with a push. */
final class Receipt
{
    /**
     * @param string $id         the event's place in the one order of all events, such as "k3f9-42"; every receiver sees it
     * @param int    $recipients how many connections it was sent to; 0 when nobody is there
     */
    public function __construct(public string $id, public int $recipients)
    {
    }
}

/** Why there is no receipt. Its text never holds credentials. */
final class TurtedException extends \RuntimeException
{
    public function __construct(private string $reason, string $message, private int $status = 0)
    {
        parent::__construct($message, $status);
    }

    /** @internal What an {"error": …} of the server says. */
    public static function told(mixed $error, int $status): self
    {
        $text = static fn (string $member, string $else): string => is_string($error[$member] ?? null) ? $error[$member] : $else;
        $unavailable = in_array($text('code', ''), ['overloaded', 'shutting_down'], true);
        return new self($text('code', 'unknown'), $text('message', 'the server gave no reason'), $unavailable ? 503 : $status);
    }

    /**
     * For programs. The server's: denied, bad_target, bad_event, bad_exclude, bad_id, bad_batch, not_json, too_deep,
     * too_large, refused, overloaded, shutting_down. This client's: unreachable, timeout, lost (no complete answer), tls,
     * bad_answer, not_json; and of a hook: bad_signature.
     */
    public function code(): string
    {
        return $this->reason;
    }

    /** The HTTP status, 0 when there was no answer. getCode() is the same. */
    public function status(): int
    {
        return $this->status;
    }

    /** True when the same push may succeed later. Repeat it with the same id: the first attempt may have been dispatched. */
    public function isRetryable(): bool
    {
        return in_array($this->reason, ['unreachable', 'timeout', 'lost'], true) || in_array($this->status, [429, 502, 503, 504], true);
    }
}
