import com.auth0.jwt.JWT;
import com.auth0.jwt.algorithms.Algorithm;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.interfaces.ECPrivateKey;
import java.security.interfaces.RSAPrivateKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;

/**
 * A token of java-jwt for the stories beside it.
 *
 * <p>In: an algorithm, a file with its key, and claims as JSON. Out: the token.
 */
public class Tokens {
    public static void main(String[] arguments) throws Exception {
        var key = Files.readString(Path.of(arguments[1]));
        var algorithm =
                switch (arguments[0]) {
                    case "HS256" -> Algorithm.HMAC256(key);
                    case "HS384" -> Algorithm.HMAC384(key);
                    case "HS512" -> Algorithm.HMAC512(key);
                    case "RS256" -> Algorithm.RSA256(null, (RSAPrivateKey) key("RSA", key));
                    case "ES256" -> Algorithm.ECDSA256(null, (ECPrivateKey) key("EC", key));
                    default -> throw new IllegalArgumentException(arguments[0]);
                };
        System.out.println(JWT.create().withPayload(arguments[2]).sign(algorithm));
    }

    private static PrivateKey key(String kind, String pem) throws Exception {
        var base64 = pem.replaceAll("-----[A-Z ]+-----|\\s", "");
        return KeyFactory.getInstance(kind).generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(base64)));
    }
}
