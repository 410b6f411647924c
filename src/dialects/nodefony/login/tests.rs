//! Logging in as stage does it, and as somebody does it who does not know the password.

use turted_core::Limits;

use super::*;

const HOST: &str = "127.0.0.1:8601";
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_233_069 + seconds)
}

fn house() -> Login {
    let tom = UserName::parse("tom", &Limits::default()).unwrap();
    Login::new("house", vec![(tom, "secret")], Duration::from_secs(3600)).unwrap()
}

fn nonce(challenge: &str) -> String {
    let (_, challenge) = challenge.split_once("challenge=\"").unwrap();
    let challenge = BASE64_STANDARD.decode(challenge.strip_suffix('"').unwrap()).unwrap();
    let challenge = String::from_utf8(challenge).unwrap();
    let rest = challenge.strip_prefix("nonce=\"").unwrap();
    let (nonce, rest) = rest.split_once('"').unwrap();
    assert_eq!(rest, ",realm=\"house\",qop=\"auth\"");
    nonce.to_owned()
}

/// What stage says who was told `nonce`.
pub fn said(nonce: &str, user: &str, password: &str) -> String {
    digest::said([nonce, "house", HOST], user, password)
}

fn enter(login: &Login, said: &str, seconds: u64) -> Result<Session, Wrong> {
    login.enter(said, HOST, HERE, at(seconds))
}

#[test]
fn the_right_password_opens_a_session_that_says_who_it_is() {
    let login = house();
    let nonce = nonce(&login.challenge(at(0)).unwrap());
    let session = enter(&login, &said(&nonce, "tom", "secret"), 9).unwrap();
    assert_eq!(session.user.as_str(), "tom");
    let limits = Limits::default();
    let identity = login.identity(&session.token, at(3608), &limits).unwrap();
    assert_eq!(identity.user.unwrap().as_str(), "tom");
    assert_eq!((identity.issued, identity.expires), (Some(at(9)), Some(at(3609))));
    assert!(identity.token.is_some(), "which can be revoked");
    assert_eq!(login.identity(&session.token, at(3609), &limits), None);
    assert_eq!(
        house().identity(&session.token, at(9), &limits),
        None,
        "of another server"
    );
    let forged = session.token.replacen(&hex::encode("tom"), &hex::encode("eve"), 1);
    for token in ["", "a.b.c.d", &nonce, &forged] {
        assert_eq!(login.identity(token, at(9), &limits), None, "{token}");
    }
}

#[test]
fn a_wrong_password_and_a_user_who_does_not_exist_are_told_the_same() {
    let login = house();
    let nonce = nonce(&login.challenge(at(0)).unwrap());
    let wrong = enter(&login, &said(&nonce, "tom", "Secret"), 1);
    assert_eq!(wrong, Err(Wrong::Denied("its user or its password is another one")));
    assert_eq!(enter(&login, &said(&nonce, "eve", "secret"), 1), wrong);
    assert_eq!(enter(&login, &said(&nonce, "", ""), 1), wrong);
    // Clients answer the same challenge once more when their user has mistyped.
    assert!(enter(&login, &said(&nonce, "tom", "secret"), 1).is_ok());
}

/// Hardening (CWE-294): whoever has read an exchange repeats it.
#[test]
fn an_answer_opens_once_here_and_for_a_while_only() {
    let login = house();
    let challenge = || nonce(&login.challenge(at(0)).unwrap());
    let first = said(&challenge(), "tom", "secret");
    assert!(enter(&login, &first, 1).is_ok());
    let used = Err(Wrong::Denied("its nonce was used, or too many were"));
    assert_eq!(enter(&login, &first, 2), used);
    let over = Err(Wrong::Denied("its nonce is over"));
    assert_eq!(enter(&login, &said(&challenge(), "tom", "secret"), NONCE_LASTS), over);
    let foreign = nonce(&house().challenge(at(0)).unwrap());
    let made_up = Err(Wrong::Denied("its nonce is none of this server"));
    for nonce in [foreign.as_str(), "", "1795233069.00.00"] {
        assert_eq!(enter(&login, &said(nonce, "tom", "secret"), 1), made_up, "{nonce}");
    }
    let elsewhere = login.enter(&said(&challenge(), "tom", "secret"), "other", HERE, at(1));
    assert!(matches!(elsewhere, Err(Wrong::Denied(why)) if why.contains("another host")));
    let realm = digest::said([&challenge(), "barn", HOST], "tom", "secret");
    assert_eq!(enter(&login, &realm, 1), Err(Wrong::Denied("it is for another realm")));
}

/// Hardening (CWE-307).
#[test]
fn after_too_many_attempts_the_right_password_opens_nothing_for_a_while() {
    let login = house();
    let nonce = nonce(&login.challenge(at(0)).unwrap());
    for _ in 0..10 {
        assert!(matches!(
            enter(&login, &said(&nonce, "tom", "guess"), 0),
            Err(Wrong::Denied(_))
        ));
    }
    let right = said(&nonce, "tom", "secret");
    assert_eq!(enter(&login, &right, 1), Err(Wrong::TooMany));
    let elsewhere = login.enter(&said(&nonce, "tom", "guess"), HOST, [192, 0, 2, 1].into(), at(1));
    assert!(matches!(elsewhere, Err(Wrong::Denied(_))), "others may try");
    assert!(enter(&login, &right, 60).is_ok());
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", house());
    assert_eq!(shown, "Login { realm: \"house\", .. }");
}
