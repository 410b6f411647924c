package org.turted;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLHandshakeException;

/**
 * The Java way into turted: tells users, channels or everybody that something happened.
 *
 * <pre>{@code
 * TurtedClient turted = TurtedClient.builder("http://127.0.0.1:7117").password(System.getenv("TURTED_PUSH_PASSWORD")).build();
 * turted.notifyUser("adam", "MESSAGE:NEW", Map.of("text", "hello"));
 * }</pre>
 *
 * In: events with payloads of maps, lists, strings, numbers, booleans and null, or JSON text ({@link #json}). Out: one HTTP POST
 * each and the server's receipt, or a {@link TurtedException}, never later than the time-out. Every push carries an idempotency
 * key, so that repeating one whose answer was lost dispatches nothing twice. It refuses to know: JSON libraries and frameworks.
 *
 * <p>A client is immutable and safe for all threads; keep one and share it.
 */
public final class TurtedClient {
    /** How a receipt is spelt, and a ticket, which is one as well: for how many it is, or for how long. */
    private static final List<String> RECEIPT = List.of("id", "recipients");
    private static final List<String> TICKET = List.of("ticket", "expires_in");

    private final URI door;
    private final Object auth;
    private final String bearer;
    private final Duration timeout;
    private final int retries;
    private final HttpClient http;

    private TurtedClient(Builder builder) {
        door = builder.door;
        auth = builder.auth;
        bearer = builder.bearer;
        timeout = builder.timeout;
        retries = builder.retries;
        http = builder.http != null ? builder.http : HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    }

    private TurtedClient(TurtedClient other, String bearer) {
        door = other.door;
        auth = null;
        this.bearer = bearer;
        timeout = other.timeout;
        retries = other.retries;
        http = other.http;
    }

    /**
     * Begins a client; nothing is connected yet.
     *
     * @param url the server, or the full URL of its push door; without a path it is {@code /push/}
     * @throws IllegalArgumentException when it is no http or https URL, or holds credentials
     */
    public static Builder builder(String url) {
        return new Builder(url);
    }

    /** Tells one user, on all of their connections. */
    public Receipt notifyUser(String user, String event, Object payload) {
        return notify(Push.event(event).users(user).payload(payload));
    }

    /** Tells everybody in a channel. */
    public Receipt notifyChannel(String channel, String event, Object payload) {
        return notify(Push.event(event).channels(channel).payload(payload));
    }

    /**
     * The same as {@link #notify(Push)}, in the order of the first TURTED.
     *
     * @param targets {@code users} and {@code channels}, a string or a list of strings each, and {@code broadcast}, true or false
     * @throws IllegalArgumentException when there is another key, or a value of another kind
     */
    public Receipt emit(String event, Map<String, ?> targets, Object data) {
        return notify(Push.event(event).targets(targets).payload(data));
    }

    /**
     * Tells any mix of targets.
     *
     * @throws TurtedException when there is no receipt
     * @throws IllegalArgumentException when the payload cannot be written as JSON
     */
    public Receipt notify(Push push) {
        return settled(notifyAsync(push));
    }

    /** The same without waiting; the future fails with a {@link TurtedException}. */
    public CompletableFuture<Receipt> notifyAsync(Push push) {
        return deliver(door, Json.write(push.envelope(auth)), 1, RECEIPT).thenApply(list -> list.get(0).receipt());
    }

    /**
     * Dispatches up to 1,000 pushes in order, with one request. A push that the server refuses does not keep back the others.
     *
     * @return what became of each, in the same order
     * @throws TurtedException when there is no answer for each: no connection, wrong credentials, a list that is too long
     */
    public List<Outcome> batch(List<Push> pushes) {
        return settled(batchAsync(pushes));
    }

    /** The same without waiting. */
    public CompletableFuture<List<Outcome>> batchAsync(List<Push> pushes) {
        if (pushes.isEmpty()) {
            return CompletableFuture.completedFuture(List.of());
        }
        List<Object> envelopes = new ArrayList<>();
        pushes.forEach(push -> envelopes.add(push.envelope(auth)));
        return deliver(door, Json.write(envelopes), envelopes.size(), null);
    }

    /** A ticket for a page, of this user and for an hour: {@link #ticket(Ticket)}. */
    public String ticket(String user) {
        return ticket(Ticket.of(user));
    }

    /**
     * A ticket for a page: it shows it to the server once, as {@code ?ticket=…} or to {@code ident()}, and is that user from then on.
     *
     * @throws TurtedException when there is none
     * @throws IllegalArgumentException when the credentials cannot stand in a header
     */
    public String ticket(Ticket wish) {
        String path = door.getRawPath().replaceFirst("(/push)?/?$", "/api/tickets");
        return settled(authorized().deliver(door.resolve(path), Json.write(wish.members), 1, TICKET)).get(0).receipt().id();
    }

    /**
     * A payload that is JSON text already; it reaches the browsers byte for byte.
     *
     * @throws IllegalArgumentException when it is not JSON
     */
    public static Object json(String text) {
        return new Json.Raw(text);
    }

    /** Says where it pushes to, and no credentials. */
    @Override
    public String toString() {
        return "TurtedClient(" + door.getAuthority() + ")";
    }

    /** The same client for the server API, which takes credentials in the header only: a password as it is, a token with its name. */
    private TurtedClient authorized() {
        if (bearer != null || auth == null) {
            return this;
        }
        Map<?, ?> members = auth instanceof Map ? (Map<?, ?>) auth : Map.of();
        Object spelt = members.get("token") == null ? members.get("password") : members.get("username") + ":" + members.get("token");
        if (!(spelt instanceof String) || !((String) spelt).matches("[ -~]+")) {
            throw new IllegalArgumentException("a ticket takes a password, or a username and a token, of visible ASCII characters and spaces");
        }
        return new TurtedClient(this, (String) spelt);
    }

    // ---- one push on its way ------------------------------------------------------------------------------------------

    /** Waits, and unwraps what the future wraps. */
    private static <T> T settled(CompletableFuture<T> future) {
        try {
            return future.get();
        } catch (ExecutionException error) {
            // Made anew, because whoever reads the stack trace looks for the line that pushed.
            TurtedException failure = failure(error.getCause(), "the server");
            throw new TurtedException(failure.code(), failure.getMessage(), failure.status());
        } catch (InterruptedException error) {
            future.cancel(true);
            Thread.currentThread().interrupt();
            throw new TurtedException("interrupted", "interrupted while pushing; the push may have been dispatched", 0);
        }
    }

    /** {@code spelt} is how the answer is spelt; null for a list of receipts. */
    private CompletableFuture<List<Outcome>> deliver(URI to, String body, int count, List<String> spelt) {
        return attempt(to, body, count, spelt, System.nanoTime() + timeout.toNanos(), 0, null);
    }

    /**
     * Repeats what may be repeated until the time is up. The key makes that harmless: what was dispatched already answers with
     * its first receipt. {@code partly} is the answer to a list of which the server could not take all.
     */
    private CompletableFuture<List<Outcome>> attempt(
            URI to, String body, int count, List<String> spelt, long deadline, int attempt, List<Outcome> partly) {
        return exchange(to, body, count, spelt, deadline).thenCompose(answer -> {
            if (answer.failure == null) {
                return CompletableFuture.completedFuture(answer.outcomes);
            }
            List<Outcome> best = answer.outcomes != null ? answer.outcomes : partly;
            // Full jitter, so that backends that failed together do not come back together.
            long jitter = (long) ((50 + ThreadLocalRandom.current().nextDouble() * 200 * Math.pow(2, attempt)) * 1e6);
            long pause = Math.max(answer.waitNanos, jitter);
            if (!answer.failure.isRetryable() || attempt >= retries || System.nanoTime() + pause - deadline >= 0) {
                return best != null ? CompletableFuture.completedFuture(best) : CompletableFuture.failedFuture(answer.failure);
            }
            return CompletableFuture
                    .runAsync(() -> { }, CompletableFuture.delayedExecutor(pause, TimeUnit.NANOSECONDS))
                    .thenCompose(waited -> attempt(to, body, count, spelt, deadline, attempt + 1, best));
        });
    }

    private CompletableFuture<Answer> exchange(URI to, String body, int count, List<String> spelt, long deadline) {
        Duration left = Duration.ofNanos(Math.max(1_000_000, deadline - System.nanoTime()));
        HttpRequest.Builder request = HttpRequest.newBuilder(to)
                .timeout(left)
                .header("Accept", "application/json")
                .header("Content-Type", "application/json")
                .header("User-Agent", "turted-java")
                .POST(BodyPublishers.ofByteArray(body.getBytes(StandardCharsets.UTF_8)));
        if (bearer != null) {
            request.header("Authorization", "Bearer " + bearer);
        }
        CompletableFuture<HttpResponse<byte[]>> response = http.sendAsync(request.build(), BodyHandlers.ofByteArray());
        // The time-out of a request ends with its headers; this one covers the body as well.
        return response.copy().orTimeout(left.toNanos(), TimeUnit.NANOSECONDS).handle((answer, error) -> {
            response.cancel(true);
            return error == null ? read(answer, count, spelt) : new Answer(null, failure(error, door.getAuthority()), 0);
        });
    }

    private Answer read(HttpResponse<byte[]> response, int count, List<String> spelt) {
        boolean list = spelt == null;
        int status = response.statusCode();
        long wait = TimeUnit.SECONDS.toNanos(response.headers().firstValue("Retry-After")
                .filter(text -> text.matches("\\d{1,4}")).map(Long::valueOf).orElse(0L));
        Object said;
        try {
            said = Json.read(new String(response.body(), StandardCharsets.UTF_8));
        } catch (IllegalArgumentException noJson) {
            said = null;
        }
        if (status >= 400 && said instanceof Map && ((Map<?, ?>) said).get("error") instanceof Map) {
            return new Answer(null, told(said, status), wait);
        }
        List<?> all = list ? said instanceof List ? (List<?>) said : List.of() : Arrays.asList(said);
        List<Outcome> outcomes = new ArrayList<>();
        all.forEach(one -> outcomes.add(outcome(one, list ? RECEIPT : spelt)));
        if (outcomes.size() != count || outcomes.contains(null) || status >= 300 && !list) {
            String message = "the server answered " + status + " without a receipt; is " + response.uri().getAuthority()
                    + response.uri().getRawPath() + " a door of turted?";
            return new Answer(null, new TurtedException("bad_answer", message, status), wait);
        }
        TurtedException unavailable = outcomes.stream().map(Outcome::failure)
                .filter(failure -> failure != null && failure.status() == 503).findFirst().orElse(null);
        return new Answer(outcomes, unavailable, wait);
    }

    private static Outcome outcome(Object said, List<String> spelt) {
        Map<?, ?> members = said instanceof Map ? (Map<?, ?>) said : Map.of();
        if (members.get("error") instanceof Map) {
            return new Outcome(null, told(said, 400));
        }
        Object id = members.get(spelt.get(0));
        Object number = members.get(spelt.get(1));
        return id instanceof String && number instanceof Long ? new Outcome(new Receipt((String) id, (Long) number), null) : null;
    }

    /** What an {@code {"error": …}} of the server says. */
    private static TurtedException told(Object said, int status) {
        Map<?, ?> error = (Map<?, ?>) ((Map<?, ?>) said).get("error");
        String code = error.get("code") instanceof String ? (String) error.get("code") : "unknown";
        String message = error.get("message") instanceof String ? (String) error.get("message") : "the server gave no reason";
        return new TurtedException(code, message, List.of("overloaded", "shutting_down").contains(code) ? 503 : status);
    }

    private static TurtedException failure(Throwable error, String where) {
        while (error instanceof CompletionException && error.getCause() != null) {
            error = error.getCause();
        }
        if (error instanceof TurtedException) {
            return (TurtedException) error;
        }
        String why = error.getMessage() != null ? error.getMessage() : error.getClass().getSimpleName();
        for (Throwable inner = error; inner != null; inner = inner.getCause()) {
            if (inner instanceof SSLHandshakeException) {
                return new TurtedException("tls", "no trust in the connection to " + where + ": " + inner.getMessage(), 0);
            }
        }
        if (error instanceof ConnectException) {
            return new TurtedException("unreachable", "no connection to " + where + ": " + why, 0);
        }
        if (error instanceof HttpTimeoutException || error instanceof TimeoutException) {
            return new TurtedException("timeout", "no answer from " + where + " in time", 0);
        }
        String code = error instanceof IOException ? "lost" : "bad_answer";
        return new TurtedException(code, "no answer from " + where + ": " + why, 0);
    }

    /** The answers to a request, or why there are none; both when the server could not take the whole list. */
    private static final class Answer {
        private final List<Outcome> outcomes;
        private final TurtedException failure;
        private final long waitNanos;

        private Answer(List<Outcome> outcomes, TurtedException failure, long waitNanos) {
            this.outcomes = outcomes;
            this.failure = failure;
            this.waitNanos = waitNanos;
        }
    }

    // ---- what goes in and comes out -----------------------------------------------------------------------------------

    /** The settings of a client. */
    public static final class Builder {
        private final URI door;
        private Object auth;
        private String bearer;
        private Duration timeout = Duration.ofSeconds(5);
        private int retries = 2;
        private HttpClient http;

        private Builder(String url) {
            URI uri;
            try {
                uri = URI.create(url);
            } catch (IllegalArgumentException notShown) {
                uri = URI.create("");
            }
            String scheme = String.valueOf(uri.getScheme()).toLowerCase(Locale.ROOT);
            if (uri.getUserInfo() != null) {
                throw new IllegalArgumentException("credentials belong into password or bearer, not into the URL");
            }
            if (!List.of("http", "https").contains(scheme) || uri.getHost() == null) {
                throw new IllegalArgumentException("the URL of the server must look like http://host:port or https://host");
            }
            boolean bare = List.of("", "/").contains(uri.getRawPath());
            door = bare ? uri.resolve("/push/" + (uri.getRawQuery() == null ? "" : "?" + uri.getRawQuery())) : uri;
        }

        /** What {@code [auth.backends]} of the server asks for, sent in the body as TURTED always did. Null sends none. */
        public Builder password(String password) {
            auth = password == null ? null : Map.of("password", password);
            return this;
        }

        /** Any other credentials for the body's {@code auth}, such as a map of {@code username} and {@code token}. */
        public Builder auth(Object credentials) {
            auth = credentials;
            return this;
        }

        /** Sent as {@code Authorization: Bearer …}; it goes before what the body holds. Null sends none. */
        public Builder bearer(String token) {
            if (token != null && !token.matches("[!-~]+")) {
                throw new IllegalArgumentException("the bearer token must be visible ASCII characters, without spaces");
            }
            bearer = token;
            return this;
        }

        /** What one call may take altogether: connecting, waiting, repeating. Default 5 seconds. */
        public Builder timeout(Duration timeout) {
            if (timeout.isNegative() || timeout.isZero()) {
                throw new IllegalArgumentException("timeout must be more than 0");
            }
            this.timeout = timeout;
            return this;
        }

        /** How often a push is repeated within that time when the server cannot be reached or is busy. Default 2. */
        public Builder retries(int retries) {
            if (retries < 0) {
                throw new IllegalArgumentException("retries must be 0 or more");
            }
            this.retries = retries;
            return this;
        }

        /** An HTTP client of yours: for a proxy, a certificate authority (SSLContext) or an executor. */
        public Builder http(HttpClient http) {
            this.http = Objects.requireNonNull(http);
            return this;
        }

        /** The client. */
        public TurtedClient build() {
            return new TurtedClient(this);
        }
    }

    /** An event, for whom it is, and how. Its key is made with it, so pushing the same object again dispatches nothing twice. */
    public static final class Push {
        private final Map<String, Object> members = new LinkedHashMap<>();
        private final Map<String, Object> targets = new LinkedHashMap<>();
        private final Map<String, Object> exclude = new LinkedHashMap<>();

        private Push(String event) {
            members.put("event", Objects.requireNonNull(event, "event"));
            members.put("targets", targets);
            members.put("id", UUID.randomUUID().toString());
        }

        /** Begins a push. Without a payload it carries {@code {}}, without targets it reaches nobody. */
        public static Push event(String event) {
            return new Push(event);
        }

        /** These users, on all of their connections. Replaces those named before. */
        public Push users(String... users) {
            targets.put("users", List.of(users));
            return this;
        }

        /** Everybody in these channels; who is in two of them gets the event once. Replaces those named before. */
        public Push channels(String... channels) {
            targets.put("channels", List.of(channels));
            return this;
        }

        /** Everybody. */
        public Push broadcast() {
            targets.put("broadcast", true);
            return this;
        }

        /** Maps, lists, arrays, strings, numbers, booleans, null, or {@link TurtedClient#json}. */
        public Push payload(Object payload) {
            members.put("payload", payload);
            return this;
        }

        /** Leaves out these connections: usually that of the browser which caused the event. */
        public Push excludeConnections(String... connections) {
            exclude.put("connections", List.of(connections));
            return this;
        }

        /** Leaves out these users. */
        public Push excludeUsers(String... users) {
            exclude.put("users", List.of(users));
            return this;
        }

        /** The idempotency key, 1 to 128 bytes: for five minutes a push with the same key gets the first receipt. */
        public Push id(String key) {
            members.put("id", Objects.requireNonNull(key, "id"));
            return this;
        }

        /** A misspelt key would be ignored by the server, and somebody would wait for an event in vain. */
        private Push targets(Map<String, ?> given) {
            given.forEach((key, value) -> {
                boolean names = List.of("users", "channels").contains(key) && (value instanceof String || value instanceof Iterable);
                if (!names && !(key.equals("broadcast") && value instanceof Boolean)) {
                    throw new IllegalArgumentException("targets cannot have \"" + key + "\" with such a value; allowed are users and"
                            + " channels (a string or a list of strings) and broadcast (true or false)");
                }
                targets.put(key, value);
            });
            return this;
        }

        private Map<String, Object> envelope(Object auth) {
            Map<String, Object> envelope = new LinkedHashMap<>(members);
            if (!exclude.isEmpty()) {
                envelope.put("exclude", exclude);
            }
            if (auth != null) {
                envelope.put("auth", auth);
            }
            return envelope;
        }
    }

    /** For whom a ticket is. It may lie around for 30 seconds, and the identity lasts an hour, unless you say otherwise. */
    public static final class Ticket {
        private final Map<String, Object> members = new LinkedHashMap<>();
        private final Map<String, Object> may = new LinkedHashMap<>();
        private final Map<String, Object> claims = new LinkedHashMap<>();

        private Ticket(String user) {
            members.put("user", user);
            expires(Duration.ofHours(1));
            ttl(Duration.ofSeconds(30));
        }

        /** For this user; for nobody in particular if null. */
        public static Ticket of(String user) {
            return new Ticket(user);
        }

        /** How long the identity lasts. */
        public Ticket expires(Duration time) {
            members.put("expires", time.toSeconds() + "s");
            return this;
        }

        /** How long the ticket may lie around. */
        public Ticket ttl(Duration time) {
            members.put("ttl", time.toSeconds() + "s");
            return this;
        }

        /** What it may beside what rules say: {@code may("join", "room.7")}. */
        public Ticket may(String verb, String... names) {
            may.put(verb, List.of(names));
            members.put("may", may);
            return this;
        }

        /** What rules may ask for: {@code claim("org", "acme")}. */
        public Ticket claim(String name, Object value) {
            claims.put(name, value);
            members.put("claims", claims);
            return this;
        }
    }

    /** What the server did with a push. */
    public static final class Receipt {
        private final String id;
        private final long recipients;

        private Receipt(String id, long recipients) {
            this.id = id;
            this.recipients = recipients;
        }

        /** The event's place in the one order of all events, such as {@code k3f9-42}; every receiver sees it. */
        public String id() {
            return id;
        }

        /** How many connections it was sent to; 0 when nobody is there. */
        public long recipients() {
            return recipients;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Receipt && ((Receipt) other).id.equals(id) && ((Receipt) other).recipients == recipients;
        }

        @Override
        public int hashCode() {
            return id.hashCode();
        }

        @Override
        public String toString() {
            return "Receipt(" + id + ", recipients " + recipients + ")";
        }
    }

    /** What became of one push of a batch. */
    public static final class Outcome {
        private final Receipt receipt;
        private final TurtedException failure;

        private Outcome(Receipt receipt, TurtedException failure) {
            this.receipt = receipt;
            this.failure = failure;
        }

        /**
         * The receipt.
         *
         * @throws TurtedException when there is none
         */
        public Receipt receipt() {
            if (failure != null) {
                throw failure;
            }
            return receipt;
        }

        /** Why there is no receipt; null when there is one. */
        public TurtedException failure() {
            return failure;
        }
    }
}
