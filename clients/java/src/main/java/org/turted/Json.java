package org.turted;

import java.lang.reflect.Array;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON (RFC 8259), strictly, so that the client needs no library.
 *
 * <p>In: plain Java values, or text. Out: text, or plain Java values; an IllegalArgumentException that says what is wrong.
 * It refuses to know pushes and receipts.
 */
final class Json {
    /** How deep values may nest; a server never takes more. What goes deeper usually contains itself. */
    private static final int DEPTH = 127;
    /** What ends a number or a word, besides white space. */
    private static final String MARKS = "[{\",:]}";

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** JSON text that was read once, so that it cannot break out of its place. */
    static final class Raw {
        private final String text;

        Raw(String text) {
            read(text);
            this.text = text;
        }
    }

    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(out, value, 0);
        return out.toString();
    }

    private static void write(StringBuilder out, Object value, int depth) {
        if (depth > DEPTH) {
            throw new IllegalArgumentException("the payload nests deeper than " + DEPTH + "; does it contain itself?");
        }
        if (value == null || value instanceof Boolean || whole(value)) {
            out.append(value);
        } else if (value instanceof Double || value instanceof Float) {
            if (!Double.isFinite(((Number) value).doubleValue())) {
                throw new IllegalArgumentException("JSON has no " + value);
            }
            out.append(value);
        } else if (value instanceof CharSequence || value instanceof Character) {
            quote(out, value.toString());
        } else if (value instanceof Enum) {
            quote(out, ((Enum<?>) value).name());
        } else if (value instanceof Raw) {
            out.append(((Raw) value).text);
        } else if (value instanceof Map) {
            String before = "{";
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                if (!(entry.getKey() instanceof CharSequence)) {
                    throw new IllegalArgumentException("a JSON object needs strings as keys, not " + kind(entry.getKey()));
                }
                out.append(before);
                quote(out, entry.getKey().toString());
                write(out.append(':'), entry.getValue(), depth + 1);
                before = ",";
            }
            out.append(before.equals("{") ? "{}" : "}");
        } else if (value instanceof Iterable) {
            String before = "[";
            for (Object element : (Iterable<?>) value) {
                write(out.append(before), element, depth + 1);
                before = ",";
            }
            out.append(before.equals("[") ? "[]" : "]");
        } else if (value.getClass().isArray()) {
            List<Object> elements = new ArrayList<>();
            for (int index = 0; index < Array.getLength(value); index++) {
                elements.add(Array.get(value, index));
            }
            write(out, elements, depth);
        } else {
            throw new IllegalArgumentException("cannot write " + kind(value) + " as JSON; allowed are maps, lists, arrays, strings,"
                    + " numbers, booleans, enums, null and TurtedClient.json(text)");
        }
    }

    private static boolean whole(Object value) {
        return value instanceof Integer || value instanceof Long || value instanceof Short || value instanceof Byte
                || value instanceof BigInteger || value instanceof BigDecimal;
    }

    private static String kind(Object value) {
        return value == null ? "null" : "a " + value.getClass().getName();
    }

    /** Half a surrogate pair would become a question mark in UTF-8, so it is escaped like a control character. */
    private static void quote(StringBuilder out, String text) {
        out.append('"');
        for (int index = 0; index < text.length(); index++) {
            char c = text.charAt(index);
            if (Character.isHighSurrogate(c) && index + 1 < text.length() && Character.isLowSurrogate(text.charAt(index + 1))) {
                out.append(c).append(text.charAt(++index));
            } else if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ' || Character.isSurrogate(c)) {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }

    /** Maps, lists, strings, Longs, Doubles (all other numbers, nearly), booleans and null. */
    static Object read(String text) {
        Json json = new Json(text);
        Object value = json.value(0);
        if (json.peek() != 0) {
            throw json.bad("nothing more");
        }
        return value;
    }

    private Object value(int depth) {
        char next = peek();
        if (depth > DEPTH) {
            throw bad("at most " + DEPTH + " levels");
        } else if (next == '{') {
            return object(depth);
        } else if (next == '[') {
            List<Object> list = new ArrayList<>();
            for (boolean more = begin(']'); more; more = more(']')) {
                list.add(value(depth + 1));
            }
            return list;
        } else if (next == '"') {
            return string();
        }
        return scalar();
    }

    private Map<String, Object> object(int depth) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (boolean more = begin('}'); more; more = more('}')) {
            if (peek() != '"') {
                throw bad("a key");
            }
            String key = string();
            if (peek() != ':') {
                throw bad("a colon");
            }
            at++;
            map.put(key, value(depth + 1));
        }
        return map;
    }

    private boolean begin(char end) {
        at++;
        boolean some = peek() != end;
        at += some ? 0 : 1;
        return some;
    }

    private boolean more(char end) {
        char next = peek();
        if (next != ',' && next != end) {
            throw bad("a comma or " + end);
        }
        at++;
        return next == ',';
    }

    private Object scalar() {
        int from = at;
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) < 0 && MARKS.indexOf(text.charAt(at)) < 0) {
            at++;
        }
        String word = text.substring(from, at);
        if (word.equals("null")) {
            return null;
        } else if (word.equals("true") || word.equals("false")) {
            return word.equals("true");
        } else if (word.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")) {
            return word.matches("-?[0-9]{1,18}") ? (Object) Long.valueOf(word) : Double.valueOf(word);
        }
        at = from;
        throw bad("a value");
    }

    private String string() {
        StringBuilder out = new StringBuilder();
        for (at++; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == '"') {
                at++;
                return out.toString();
            } else if (c < ' ') {
                break;
            } else if (c != '\\') {
                out.append(c);
            } else if (text.startsWith("u", ++at)) {
                String code = text.substring(at + 1, Math.min(at + 5, text.length()));
                if (!code.matches("[0-9a-fA-F]{4}")) {
                    break;
                }
                out.append((char) Integer.parseInt(code, 16));
                at += 4;
            } else {
                int index = at < text.length() ? "\"\\/bfnrt".indexOf(text.charAt(at)) : -1;
                if (index < 0) {
                    break;
                }
                out.append("\"\\/\b\f\n\r\t".charAt(index));
            }
        }
        throw bad("the rest of a string");
    }

    /** The next character that counts, 0 at the end. */
    private char peek() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        return at < text.length() ? text.charAt(at) : 0;
    }

    private IllegalArgumentException bad(String expected) {
        return new IllegalArgumentException("no JSON: expected " + expected + " at character " + at);
    }
}
