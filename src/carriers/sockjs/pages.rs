//! What a SockJS service says about itself (protocol 0.3.3, "Greeting url", "IFrame page", "Info test").
//!
//! In: options. Out: bodies, the same for everybody but for the random number in `info`.

/// The body of the service's own URL.
pub const GREETING: &str = "Welcome to SockJS!\n";
/// Never to be kept by a cache.
pub const NO_CACHE: &str = "no-store, no-cache, no-transform, must-revalidate, max-age=0";

/// What the server can do. `entropy` must be different each time: old browsers have no good random numbers.
#[must_use]
pub fn info(websocket: bool, cookie_needed: bool, entropy: u32) -> String {
    format!(r#"{{"websocket":{websocket},"origins":["*:*"],"cookie_needed":{cookie_needed},"entropy":{entropy}}}"#)
}

/// The page for iframes, which loads the client from `client`.
#[must_use]
pub fn iframe(client: &str) -> String {
    format!(
        r#"<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="{client}"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>"#
    )
}

/// The beginning of an htmlfile response: long enough (over 1,024 bytes) for browsers to show it at once.
#[must_use]
pub fn htmlfile(callback: &str) -> String {
    let head = format!(
        r#"<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.{callback};
    c.start();
    function p(d) {{c.message(d);}};
    window.onload = function() {{c.stop();}};
  </script>"#
    );
    format!("{head:<1100}\r\n\r\n")
}

/// The name of a function that a client may choose: nothing else may get into a script (CWE-79).
///
/// # Errors
/// What the answer says.
pub fn callback(name: Option<&str>) -> Result<&str, &'static str> {
    const LONGEST: usize = 64;
    let name = name
        .filter(|name| !name.is_empty())
        .ok_or("\"callback\" parameter required")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.len() <= LONGEST && name.bytes().all(plain) {
        Ok(name)
    } else {
        Err("invalid \"callback\" parameter")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_a_name_and_nothing_else() {
        assert_eq!(callback(Some("_jp.a-1")), Ok("_jp.a-1"));
        assert!(callback(None).unwrap_err().contains("required"));
        for evil in ["a()", "alert(1);//", "%63", "é", "a b", &"x".repeat(65)] {
            assert!(callback(Some(evil)).unwrap_err().contains("invalid"), "{evil}");
        }
    }

    #[test]
    fn the_beginning_is_long_enough_to_be_shown() {
        assert!(htmlfile("cb").len() > 1024);
        assert!(htmlfile("cb").contains("var c = parent.cb;"));
    }
}
