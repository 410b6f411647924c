package org.turted;

import java.util.List;

/** Why there is no receipt. Its text never holds credentials. */
public final class TurtedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final String code;
    private final int status;

    TurtedException(String code, String message, int status) {
        super(message);
        this.code = code;
        this.status = status;
    }

    /**
     * For programs. The server's: denied, bad_target, bad_event, bad_exclude, bad_id, bad_batch, not_json, too_deep, too_large,
     * refused, overloaded, shutting_down. This client's: unreachable, timeout, lost (no complete answer), tls, bad_answer,
     * interrupted; and of a hook: bad_signature.
     */
    public String code() {
        return code;
    }

    /** The HTTP status; 0 when there was no answer. */
    public int status() {
        return status;
    }

    /** True when the same push may succeed later. Repeat it with the same id: the first attempt may have been dispatched. */
    public boolean isRetryable() {
        return List.of("unreachable", "timeout", "lost").contains(code) || List.of(429, 502, 503, 504).contains(status);
    }
}
