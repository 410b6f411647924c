package org.turted;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.function.Function;

/**
 * What the server asks your backend, signed as Standard Webhooks are: {@code type = "callback"}, {@code [may.ask]}, webhooks.
 *
 * <pre>{@code
 * private static final TurtedHook HOOK = new TurtedHook(System.getenv("TURTED_HOOK_SECRET"));
 * String question = HOOK.verify(request::getHeader, body);   // of a servlet
 * }</pre>
 *
 * In: a body as it came, and its headers. Out: the same body, or a {@link TurtedException} with the code {@code bad_signature}, to be
 * answered with 400. It does not read the JSON: your framework has a library for that.
 */
public final class TurtedHook {
    private final List<String> secrets;
    private Duration tolerance = Duration.ofMinutes(5);

    /** With the secret that the configuration has; with several while you change it. */
    public TurtedHook(String... secrets) {
        this.secrets = List.of(secrets);
        this.secrets.forEach(secret -> {
            if (key(secret).length == 0) {
                throw new IllegalArgumentException("the secret of hooks must not be empty");
            }
        });
    }

    /** By how much the clocks may differ: what is older was perhaps recorded. Five minutes unless you say otherwise. */
    public TurtedHook tolerance(Duration tolerance) {
        this.tolerance = tolerance;
        return this;
    }

    /**
     * The body, if it is the server's.
     *
     * @param header gives a header by its name, null or empty if there is none
     * @throws TurtedException when it is not
     */
    public String verify(Function<String, String> header, byte[] body) {
        return verify(header, new String(body, StandardCharsets.UTF_8));
    }

    /** The same for a body that was read as UTF-8 and not changed. */
    public String verify(Function<String, String> header, String body) {
        String id = text(header.apply("webhook-id"));
        String time = text(header.apply("webhook-timestamp"));
        String signatures = text(header.apply("webhook-signature"));
        if (id.isEmpty() || signatures.isEmpty() || !time.matches("[0-9]{1,12}")) {
            throw no("the headers webhook-id, webhook-timestamp and webhook-signature are not all there");
        }
        if (Math.abs(Instant.now().getEpochSecond() - Long.parseLong(time)) > tolerance.getSeconds()) {
            throw no("it was signed too long ago, or the clocks differ");
        }
        boolean known = false;
        for (String secret : secrets) {
            byte[] right = TurtedToken.hmac(key(secret), id + "." + time + "." + body);
            byte[] spelt = ("v1," + Base64.getEncoder().encodeToString(right)).getBytes(StandardCharsets.UTF_8);
            // Every one is compared, and none tells by its time how much of it is right (CWE-208).
            for (String signature : signatures.split(" ")) {
                known |= MessageDigest.isEqual(spelt, signature.getBytes(StandardCharsets.UTF_8));
            }
        }
        if (!known) {
            throw no("no signature of it is right");
        }
        return body;
    }

    /** Says nothing of the secrets. */
    @Override
    public String toString() {
        return "TurtedHook";
    }

    private static byte[] key(String secret) {
        return secret.startsWith("whsec_")
                ? Base64.getDecoder().decode(secret.substring("whsec_".length()))
                : secret.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(String value) {
        return value == null ? "" : value;
    }

    private static TurtedException no(String why) {
        return new TurtedException("bad_signature", "this is no question of the server: " + why, 400);
    }
}
