package org.turted;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * What a page shows the server, made where your users are known: for {@code [auth.clients] type = "jwt"} with a secret.
 *
 * <pre>{@code
 * String token = TurtedToken.of("adam").sign(System.getenv("TURTED_JWT_SECRET"));
 * }</pre>
 *
 * In: a user, and what it may. Out: a JSON Web Token (HS256).
 */
public final class TurtedToken {
    private static final int SHORTEST = 32;

    private final Map<String, Object> claims = new LinkedHashMap<>();
    private final Map<String, Object> may = new LinkedHashMap<>();
    private Duration lifetime = Duration.ofHours(1);

    private TurtedToken() {
    }

    /** Of this user; of nobody in particular if null. */
    public static TurtedToken of(String user) {
        TurtedToken token = new TurtedToken();
        if (user != null) {
            token.claims.put("sub", user);
        }
        return token;
    }

    /** How long it holds: an hour unless you say otherwise. */
    public TurtedToken lifetime(Duration time) {
        if (time.getSeconds() <= 0) {
            throw new IllegalArgumentException("a token must hold for at least a second");
        }
        lifetime = time;
        return this;
    }

    /** What it may beside what rules say: {@code may("join", "room.7")}. */
    public TurtedToken may(String verb, String... names) {
        may.put(verb, List.of(names));
        return this;
    }

    /** Channels to join at once. */
    public TurtedToken join(String... channels) {
        claims.put("join", List.of(channels));
        return this;
    }

    /** Anything else that the server or its rules ask for: {@code claim("org", "acme")}, {@code claim("aud", "turted")}. */
    public TurtedToken claim(String name, Object value) {
        if (List.of("sub", "exp", "iat", "jti", "may", "join").contains(name)) {
            throw new IllegalArgumentException("the claim " + name + " is not for you to set here");
        }
        claims.put(name, value);
        return this;
    }

    /**
     * The token.
     *
     * @param secret that of {@code [auth.clients]}, at least 32 bytes
     * @throws IllegalArgumentException when the secret is shorter
     */
    public String sign(String secret) {
        byte[] key = secret.getBytes(StandardCharsets.UTF_8);
        if (key.length < SHORTEST) {
            throw new IllegalArgumentException("the secret of tokens must have at least " + SHORTEST + " bytes");
        }
        Map<String, Object> body = new LinkedHashMap<>(claims);
        if (!may.isEmpty()) {
            body.put("may", may);
        }
        long now = Instant.now().getEpochSecond();
        body.put("iat", now);
        body.put("exp", now + lifetime.getSeconds());
        body.put("jti", UUID.randomUUID().toString());
        String signed = base64(Json.write(Map.of("alg", "HS256", "typ", "JWT")).getBytes(StandardCharsets.UTF_8)) + "."
                + base64(Json.write(body).getBytes(StandardCharsets.UTF_8));
        return signed + "." + base64(hmac(key, signed));
    }

    /** HMAC-SHA-256. */
    static byte[] hmac(byte[] key, String text) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException("every Java platform has HmacSHA256", error);
        }
    }

    private static String base64(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }
}
