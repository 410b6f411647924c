// Stories about clients/java, told against running servers by run.sh, which names them in the environment.
// In: the client and the addresses of the stage. Out: a line per story; exit status 1 when one fails.

import java.io.InputStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.turted.TurtedClient;
import org.turted.TurtedClient.Outcome;
import org.turted.TurtedClient.Push;
import org.turted.TurtedClient.Receipt;
import org.turted.TurtedClient.Ticket;
import org.turted.TurtedException;
import org.turted.TurtedHook;
import org.turted.TurtedToken;

final class Stories {
    private static final String PASSWORD = "correct horse battery staple";
    private static final HttpClient WEB = HttpClient.newHttpClient();
    private static final TurtedClient TURTED = at("TURTED_URL").build();

    private interface Story {
        void tell() throws Exception;
    }

    private enum Colour {
        RED
    }

    public static void main(String[] arguments) {
        Map<String, Story> stories = new LinkedHashMap<>();
        stories.put("a user, a channel and a mix of targets hear it, each connection once", Stories::targets);
        stories.put("payloads arrive byte for byte", Stories::payloads);
        stories.put("what cannot be JSON is refused here", Stories::notJson);
        stories.put("the sender is left out", Stories::exclude);
        stories.put("a repeated key gets the first receipt and dispatches nothing", Stories::repeated);
        stories.put("a batch keeps its order, and a wrong push spoils only itself", Stories::batch);
        stories.put("what the server refuses is an exception with its code", Stories::refusals);
        stories.put("senseless settings are refused", Stories::settings);
        stories.put("credentials open the door, wrong ones do not and appear nowhere", Stories::credentials);
        stories.put("nobody listens there", Stories::closed);
        stories.put("a server that never answers costs the time-out and no more", Stories::silent);
        stories.put("an overloaded server is asked again when it said, with the same key", Stories::busy);
        stories.put("an answer that was lost does not dispatch twice", Stories::lossy);
        stories.put("a batch that was taken in part is completed", Stories::partly);
        stories.put("something that is not turted is recognised", Stories::website);
        stories.put("https is verified, and trusts whom it is told to trust", Stories::secure);
        stories.put("many threads share a client, with and without waiting", Stories::threads);
        stories.put("a ticket is asked for beside the push door, again when the server is busy", Stories::tickets);
        stories.put("a token is made in one line, and others read it", Stories::tokens);
        stories.put("a question of the server is believed only with a fresh signature", Stories::hooks);
        stories.put("an interrupted thread stops waiting", Stories::interrupted);
        int failed = 0;
        for (Map.Entry<String, Story> story : stories.entrySet()) {
            try {
                heard();
                story.getValue().tell();
                System.out.println("ok      java: " + story.getKey());
            } catch (Throwable error) {
                failed++;
                System.out.println("FAILED  java: " + story.getKey());
                error.printStackTrace(System.out);
            }
        }
        System.exit(failed == 0 ? 0 : 1);
    }

    private static void tickets() {
        String said = TurtedClient.builder(System.getenv("TICKETS")).build().ticket("eve");
        has(said, "\"url\":\"/api/tickets\",\"authorization\":null");
        has(said, "\"asked\":{\"user\":\"eve\",\"expires\":\"3600s\",\"ttl\":\"30s\"}");
        said = TurtedClient.builder(System.getenv("TICKETS") + "/live/push/").bearer("b").build()
                .ticket(Ticket.of("eve").expires(Duration.ofMinutes(5)).may("join", "room.7").claim("org", "acme"));
        has(said, "\"url\":\"/live/api/tickets\",\"authorization\":\"Bearer b\"");
        has(said, "\"expires\":\"300s\",\"ttl\":\"30s\",\"may\":{\"join\":[\"room.7\"]},\"claims\":{\"org\":\"acme\"}");
        same("bad_answer", refused(() -> at("WEBSITE").retries(0).build().ticket("eve")).code());
        // The server API reads no credentials in the body: with a password there were no tickets.
        same(true, at("GUARDED").password("correct horse battery staple").build().ticket("eve").startsWith("tk_"));
        same(true, at("GUARDED_TOKEN").auth(Map.of("username", "shop", "token", System.getenv("TOKEN"))).build().ticket("eve").startsWith("tk_"));
        same("denied", refused(() -> at("GUARDED").password("wrong").build().ticket("eve")).code());
    }

    private static void tokens() throws Exception {
        String secret = "s".repeat(32);
        String token = TurtedToken.of("adam").lifetime(Duration.ofMinutes(1)).may("join", "room.7").join("user.adam").claim("org", "acme").sign(secret);
        String[] parts = token.split("\\.");
        String body = new String(Base64.getUrlDecoder().decode(parts[1]), StandardCharsets.UTF_8);
        has(body, "{\"sub\":\"adam\",\"join\":[\"user.adam\"],\"org\":\"acme\",\"may\":{\"join\":[\"room.7\"]},\"iat\":");
        has(new String(Base64.getUrlDecoder().decode(parts[0]), StandardCharsets.UTF_8), "\"alg\":\"HS256\"");
        byte[] right = hmac(secret, parts[0] + "." + parts[1]);
        same(true, Arrays.equals(right, Base64.getUrlDecoder().decode(parts[2])));
        misused(() -> TurtedToken.of("adam").sign("wrong-secret"));
        misused(() -> TurtedToken.of("adam").claim("sub", "eve"));
        misused(() -> TurtedToken.of("adam").lifetime(Duration.ZERO));
    }

    private static void hooks() throws Exception {
        String body = "{\"verb\":\"ident\",\"n\":\"é\"}";
        long now = System.currentTimeMillis() / 1000;
        String good = signature("new", "msg_1", now, body);
        same(body, new TurtedHook("new").verify(headers("msg_1", now, good), body));
        same(body, new TurtedHook("old", "new").verify(headers("msg_1", now, good), body.getBytes(StandardCharsets.UTF_8)));
        same(body, new TurtedHook("new").verify(headers("msg_1", now, "v1a,x " + signature("old", "msg_1", now, body) + " " + good), body));
        // The vector that the specification of Standard Webhooks gives.
        Function<String, String> vector = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        TurtedHook old = new TurtedHook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").tolerance(Duration.ofDays(100_000));
        old.verify(vector, "{\"test\": 2432232314}");
        TurtedHook hook = new TurtedHook("new");
        for (Story bad : List.<Story>of(
                () -> new TurtedHook("old").verify(headers("msg_1", now, good), body),
                () -> hook.verify(headers("msg_1", now, good), body + " "),
                () -> hook.verify(headers("msg_2", now, good), body),
                () -> hook.verify(headers("msg_1", now - 1, good), body),
                () -> hook.verify(headers("msg_1", now - 301, signature("new", "msg_1", now - 301, body)), body),
                () -> hook.verify(headers("msg_1", now + 400, signature("new", "msg_1", now + 400, body)), body),
                () -> hook.verify(headers("msg_1", now, "v2" + good.substring(2)), body),
                () -> hook.verify(headers("msg_1", now, ""), body),
                () -> hook.verify(name -> null, body))) {
            TurtedException error = refused(() -> told(bad));
            same("bad_signature", error.code());
            same(400, error.status());
        }
        misused(() -> new TurtedHook(""));
    }

    private static void told(Story story) {
        try {
            story.tell();
        } catch (RuntimeException error) {
            throw error;
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private static byte[] hmac(String key, String text) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
        return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String signature(String key, String id, long time, String body) throws Exception {
        return "v1," + Base64.getEncoder().encodeToString(hmac(key, id + "." + time + "." + body));
    }

    private static Function<String, String> headers(String id, long time, String signature) {
        return Map.of("webhook-id", id, "webhook-timestamp", String.valueOf(time), "webhook-signature", signature)::get;
    }

    private static void targets() throws Exception {
        Receipt receipt = TURTED.notifyUser("adam", "A", Map.of("n", 1));
        same(1L, receipt.recipients());
        TURTED.notifyChannel("chat", "B", Map.of("n", 2));
        TURTED.notify(Push.event("C").users("adam").channels("chat", "chat").broadcast().payload(Map.of("n", 3)));
        TURTED.emit("MESSAGE:NEW", Map.of("users", "adam", "channels", List.of("chat", "chatlog")), Map.of("msg", "hello"));
        same(0L, TURTED.notifyUser("nobody", "D", null).recipients());
        List<Event> heard = heard();
        same(List.of("A", "B", "C", "MESSAGE:NEW"), names(heard));
        same("{\"msg\":\"hello\"}", heard.get(3).payload);
        same(receipt.id(), heard.get(0).id);
        same("targets cannot have \"user\" with such a value; allowed are users and channels (a string or a list of strings) and"
                + " broadcast (true or false)", misused(() -> TURTED.emit("E", Map.of("user", "adam"), null)));
    }

    private static void payloads() throws Exception {
        Map<String, Object> deep = new LinkedHashMap<>();
        deep.put("object", Map.of());
        deep.put("list", List.of());
        deep.put("deep", List.of(List.of(Collections.singletonMap("a", null))));
        Map<String, Object> payloads = new LinkedHashMap<>();
        payloads.put("\"Grüße, 世界 \\u0000 😀 a/b \\\"\\\\\\u000a\"", "Grüße, 世界 \0 😀 a/b \"\\\n");
        payloads.put("\"half a pair \\ud83d and \\ude00\"", "half a pair \ud83d and \ude00");
        payloads.put("[9223372036854775807,123456789012345678901234567890,1.10,0.1,1.0E25]",
                List.of(Long.MAX_VALUE, new BigInteger("123456789012345678901234567890"), new BigDecimal("1.10"), 0.1, 1e25));
        payloads.put("{\"object\":{},\"list\":[],\"deep\":[[{\"a\":null}]]}", deep);
        payloads.put("[[1,2],[\"a\"],\"c\",\"RED\",true]",
                new Object[] {new int[] {1, 2}, new String[] {"a"}, 'c', Colour.RED, true});
        payloads.put("{ \"b\": 1e400,\"a\":123456789012345678901234567890 , \"e\": \"\\u00e9\" }",
                TurtedClient.json("{ \"b\": 1e400,\"a\":123456789012345678901234567890 , \"e\": \"\\u00e9\" }"));
        payloads.put("null", null);
        payloads.values().forEach(payload -> TURTED.notifyUser("adam", "P", payload));
        List<String> arrived = new ArrayList<>();
        heard().forEach(event -> arrived.add(event.payload));
        same(List.copyOf(payloads.keySet()), arrived);
    }

    private static void notJson() {
        same("JSON has no NaN", misused(() -> TURTED.notifyUser("adam", "E", Double.NaN)));
        misused(() -> TURTED.notifyUser("adam", "E", Map.of("x", Float.POSITIVE_INFINITY)));
        misused(() -> TURTED.notifyUser("adam", "E", Map.of(1, 2)));
        same("cannot write a java.lang.Object as JSON; allowed are maps, lists, arrays, strings, numbers, booleans, enums, null and"
                + " TurtedClient.json(text)", misused(() -> TURTED.notifyUser("adam", "E", new Object())));
        List<Object> loop = new ArrayList<>();
        loop.add(loop);
        same("the payload nests deeper than 127; does it contain itself?", misused(() -> TURTED.notifyUser("adam", "E", loop)));
        for (String text : List.of("", "{", "[1,]", "{\"a\" 1}", "{a:1}", "01", "1.", "nul", "\"\\x\"", "\"\\u00g0\"", "\"a\nb\"", "[1] 2",
                "},\"id\":{", "+1", "[1 2]", "{\"a\":1,}", "\"", "'a'", "\u00a01", "[".repeat(200))) {
            misused(() -> TurtedClient.json(text));
        }
        for (String text : List.of("0", "-0", "1.5e-3", "true", " [ ] ", "{ }", "[[],{}]", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\"")) {
            TurtedClient.json(text);
        }
    }

    private static void exclude() throws Exception {
        Push push = Push.event("E").channels("chat").payload(1).excludeUsers("adam").excludeConnections("c-unknown");
        same(0L, TURTED.notify(push).recipients());
        same(0, heard().size());
    }

    private static void repeated() throws Exception {
        String key = "java-" + UUID.randomUUID();
        Receipt first = TURTED.notify(Push.event("ONCE").users("adam").id(key));
        same(first, TURTED.notify(Push.event("ONCE").users("adam").id(key)));
        Push push = Push.event("SAME").users("adam");
        same(TURTED.notify(push), TURTED.notify(push));
        same(List.of("ONCE", "SAME"), names(heard()));
    }

    private static void batch() throws Exception {
        List<Outcome> outcomes = TURTED.batch(List.of(
                Push.event("ONE").users("adam").payload(1), Push.event("TWO").users(""), Push.event("THREE").channels("chat")));
        same(1L, outcomes.get(0).receipt().recipients());
        same(null, outcomes.get(0).failure());
        same("bad_target", outcomes.get(1).failure().code());
        same("bad_target", refused(() -> outcomes.get(1).receipt()).code());
        List<Event> heard = heard();
        same(List.of("ONE", "THREE"), names(heard));
        same("{}", heard.get(1).payload);
        same(0, TURTED.batch(List.of()).size());
        same("bad_batch", refused(() -> TURTED.batch(Collections.nCopies(1001, Push.event("E")))).code());
    }

    private static void refusals() throws Exception {
        TurtedException error = refused(() -> TURTED.notifyUser("", "E", null));
        same(List.of("bad_target", 400, false), List.of(error.code(), error.status(), error.isRetryable()));
        same("bad_event", refused(() -> TURTED.notifyUser("adam", "E\n", null)).code());
        same("too_large", refused(() -> TURTED.notifyUser("adam", "E", "x".repeat(2 << 20))).code());
        same("bad_id", refused(() -> TURTED.notify(Push.event("E").id("k".repeat(129)))).code());
        same(true, List.of(error.getStackTrace()).toString().contains("refusals"));
        same(0, heard().size());
    }

    private static void settings() {
        for (String url : List.of("127.0.0.1:7117", "ftp://127.0.0.1", "http://", "http://a b", "http://adam:wrong-secret@127.0.0.1")) {
            misused(() -> TurtedClient.builder(url));
        }
        misused(() -> TurtedClient.builder("http://h").bearer("wrong-secret\r\nX: y"));
        misused(() -> TurtedClient.builder("http://h").timeout(Duration.ZERO));
        misused(() -> TurtedClient.builder("http://h").retries(-1));
    }

    private static void credentials() {
        same(0L, at("GUARDED").password(PASSWORD).build().notifyUser("adam", "E", null).recipients());
        same(1, at("GUARDED").password(PASSWORD).build().batch(List.of(Push.event("E"))).size());
        Map<String, String> token = Map.of("username", "shop", "token", System.getenv("TOKEN"));
        same(0L, at("GUARDED_TOKEN").auth(token).build().notifyUser("adam", "E", null).recipients());
        same(0L, at("GUARDED_TOKEN").bearer("shop:" + System.getenv("TOKEN")).build().notifyUser("adam", "E", null).recipients());
        TurtedException error = refused(() -> at("GUARDED").password("wrong-secret").build().notifyUser("adam", "E", null));
        same(List.of("denied", 401, false, "Wrong auth data"),
                List.of(error.code(), error.status(), error.isRetryable(), error.getMessage()));
        same("denied", refused(() -> at("GUARDED").bearer("wrong-secret").build().notifyUser("adam", "E", null)).code());
        same("denied", refused(() -> at("GUARDED").build().batch(List.of(Push.event("E")))).code());
        same(false, at("GUARDED").password(PASSWORD).build().toString().contains(PASSWORD));
    }

    private static void closed() {
        TurtedException error = refused(() -> at("CLOSED").password(PASSWORD).build().notifyUser("adam", "E", null));
        same(List.of("unreachable", 0, true), List.of(error.code(), error.status(), error.isRetryable()));
        same("unreachable", refused(() -> TurtedClient.builder("http://no-such-host.invalid").build().notifyUser("a", "E", 1)).code());
    }

    private static void silent() throws Exception {
        for (String scheme : List.of("http", "https")) {
            for (String payload : List.of("x", "x".repeat(16 << 20))) {
                String url = System.getenv("SILENT").replaceFirst("http", scheme);
                TurtedClient client = TurtedClient.builder(url).timeout(Duration.ofMillis(500)).build();
                double took = seconds(() -> {
                    TurtedException error = refused(() -> client.notifyUser("adam", "E", payload));
                    same(List.of("timeout", true), List.of(error.code(), error.isRetryable()));
                });
                same(true, took >= 0.45 && took < 5);
            }
        }
    }

    private static void busy() throws Exception {
        double took = seconds(() -> same(1L, at("BUSY").build().notifyUser("adam", "BUSY", null).recipients()));
        same(true, took >= 1 && took < 5);
        same(1, heard().size());
        TurtedException error = refused(() -> at("BUSY").retries(0).build().notifyUser("adam", "BUSY", null));
        same(List.of("overloaded", 503, true), List.of(error.code(), error.status(), error.isRetryable()));
        same("overloaded", refused(() -> at("BUSY").timeout(Duration.ofMillis(500)).build().notifyUser("adam", "BUSY", 1)).code());
        same(0, heard().size());
    }

    private static void lossy() throws Exception {
        same(1L, at("LOSSY").build().notifyUser("adam", "LOST", null).recipients());
        same(1, heard().size());
        same("lost", refused(() -> at("LOSSY").retries(0).build().notifyUser("adam", "LOST", null)).code());
        same(1, heard().size());
    }

    private static void partly() throws Exception {
        List<Push> pushes = List.of(Push.event("E1").users("adam"), Push.event("E2").users("adam"), Push.event("E3").users("adam"));
        for (Outcome outcome : at("PARTLY").build().batch(pushes)) {
            same(1L, outcome.receipt().recipients());
        }
        same(List.of("E1", "E2", "E3"), names(heard()));
        List<Push> others = List.of(Push.event("F1").users("adam"), Push.event("F2").users("adam"));
        List<Outcome> outcomes = at("PARTLY").retries(0).build().batch(others);
        same(1L, outcomes.get(0).receipt().recipients());
        same("overloaded", outcomes.get(1).failure().code());
        same(List.of("F1"), names(heard()));
    }

    private static void website() {
        TurtedException error = refused(() -> at("WEBSITE").build().notifyUser("adam", "E", null));
        same(List.of("bad_answer", 200, false), List.of(error.code(), error.status(), error.isRetryable()));
        TurtedClient elsewhere = TurtedClient.builder(System.getenv("TURTED_URL") + "/elsewhere").build();
        same(404, refused(() -> elsewhere.notifyUser("adam", "E", null)).status());
    }

    private static void secure() throws Exception {
        same("tls", refused(() -> at("SECURE").build().notifyUser("adam", "E", null)).code());
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream pem = Files.newInputStream(Path.of(System.getenv("CERTIFICATE")))) {
            store.setCertificateEntry("turted", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        HttpClient http = HttpClient.newBuilder().sslContext(context).build();
        same(0L, at("SECURE").http(http).build().notifyUser("adam", "E", "x".repeat(900_000)).recipients());
        String elsewhere = System.getenv("SECURE").replace("localhost", "127.0.0.1");
        same("tls", refused(() -> TurtedClient.builder(elsewhere).http(http).build().notifyUser("adam", "E", null)).code());
    }

    private static void threads() throws Exception {
        List<CompletableFuture<Receipt>> pushes = new ArrayList<>();
        for (int n = 0; n < 50; n++) {
            pushes.add(TURTED.notifyAsync(Push.event("T").users("adam").payload(n)));
            pushes.add(CompletableFuture.supplyAsync(() -> TURTED.notifyUser("adam", "T", Map.of())));
        }
        pushes.forEach(push -> same(1L, push.join().recipients()));
        same(100, heard().size());
        try {
            TURTED.notifyAsync(Push.event("E").users("")).join();
            throw new AssertionError("expected an exception");
        } catch (CompletionException error) {
            same("bad_target", ((TurtedException) error.getCause()).code());
        }
    }

    private static void interrupted() throws Exception {
        TurtedClient client = at("SILENT").timeout(Duration.ofSeconds(30)).build();
        CompletableFuture<List<Object>> seen = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            TurtedException error = refused(() -> client.notifyUser("adam", "E", null));
            seen.complete(List.of(error.code(), Thread.currentThread().isInterrupted()));
        });
        thread.start();
        thread.interrupt();
        same(List.of("interrupted", true), seen.get(5, TimeUnit.SECONDS));
    }

    // ---- what the stories are told with ---------------------------------------------------------------------------------

    private static TurtedClient.Builder at(String name) {
        return TurtedClient.builder(System.getenv(name));
    }

    private static final class Event {
        private final String name;
        private final String payload;
        private final String id;

        private Event(Matcher found) {
            name = found.group(1);
            payload = found.group(2);
            id = found.group(3);
        }
    }

    /** The events that arrived since the last question, their payloads as they came. */
    private static List<Event> heard() throws Exception {
        HttpRequest question = HttpRequest.newBuilder(URI.create(System.getenv("WITNESS"))).build();
        List<Event> events = new ArrayList<>();
        Pattern shape = Pattern.compile("\"event\":\"([^\"]*)\",\"payload\":(.*),\"via\":.*\"id\":\"([^\"]*)\"");
        // Not lines(): that would also split at the separators that JSON allows in strings.
        for (String line : WEB.send(question, BodyHandlers.ofString()).body().split("\n")) {
            Matcher found = shape.matcher(line);
            if (found.find()) {
                events.add(new Event(found));
            }
        }
        return events;
    }

    private static List<String> names(List<Event> events) {
        List<String> names = new ArrayList<>();
        events.forEach(event -> names.add(event.name));
        return names;
    }

    private static TurtedException refused(Runnable push) {
        try {
            push.run();
        } catch (TurtedException error) {
            for (Throwable each = error; each != null; each = each.getCause()) {
                same(false, each.toString().contains(PASSWORD) || each.toString().contains("wrong-secret"));
            }
            return error;
        }
        throw new AssertionError("expected a TurtedException");
    }

    private static String misused(Runnable call) {
        try {
            call.run();
        } catch (IllegalArgumentException error) {
            same(false, error.getMessage().contains("wrong-secret"));
            return error.getMessage();
        }
        throw new AssertionError("expected an IllegalArgumentException");
    }

    private static double seconds(Story work) throws Exception {
        long from = System.nanoTime();
        work.tell();
        return (System.nanoTime() - from) / 1e9;
    }

    private static void has(String whole, String part) {
        if (!whole.contains(part)) {
            throw new AssertionError("expected " + part + " in " + whole);
        }
    }

    private static void same(Object expected, Object got) {
        if (expected == null ? got != null : !expected.equals(got)) {
            throw new AssertionError("expected " + expected + ", got " + got);
        }
    }
}
