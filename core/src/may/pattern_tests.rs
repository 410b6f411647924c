//! What a pattern matches, as a table: the pattern, the name, and whether it does, for adam with some claims.

use super::names::Names;
use super::pattern::{MOST_BYTES, Pattern, PatternError};
use super::{Claims, find};

/// What is known about adam.
const CLAIMS: &str = r#"{
    "org": "acme", "dotted": "a.b", "colon": "a:b", "slash": "a/b", "empty": "", "star": "*", "rest": "**",
    "brace": "{user}", "number": 7, "negative": -7, "flag": true, "fraction": 1.5, "null": null, "object": {"inner": "x"},
    "rooms": ["red", "blue", "a.b", 3, true, null, ["nested"], ""], "https://ns.example/roles": ["editor"],
    "deep": {"er": {"est": "found"}}, "utf": "Grüße", "long": "aaaaaaaaaa", "__proto__": "polluted"
}"#;

const TABLE: &str = r"
# texts are themselves, byte for byte
chat                    chat                yes
chat                    chat2               no
chat                    cha                 no
chat                    Chat                no
chat                    xchat               no
Grüße                   Grüße               yes
Grüße                   Grusse              no
a.b:c/d                 a.b:c/d             yes
a.b:c/d                 a.b:c.d             no
[a-z]                   a                   no
[a-z]                   [a-z]               yes
a?                      a?                  yes
a?                      ab                  no
a+                      aa                  no
^a$                     a                   no
^a$                     ^a$                 yes
a|b                     a                   no
a\*                     a\x                 yes
a\*                     a*                  no
.                       a                   no
.                       .                   yes
# * is one or more characters, none of . : /
*                       chat                yes
*                       c                   yes
*                       a.b                 no
*                       a:b                 no
*                       a/b                 no
*                       .                   no
*                       *                   yes
*                       Grüße               yes
*                       a-b_c               yes
*                       a@b                 yes
room.*                  room.7              yes
room.*                  room.               no
room.*                  room                no
room.*                  room.7.secret       no
room.*                  room.7:secret       no
room.*                  room.7/secret       no
room.*                  rooms.7             no
room.*                  xroom.7             no
*.room                  a.room              yes
*.room                  .room               no
*.room                  a.b.room            no
*.room                  a.rooms             no
room-*                  room-7              yes
room-*                  room-               no
room-*                  room-7-8            yes
room-*-end              room-7-end          yes
room-*-end              room--end           no
room-*-end              room-a-end-end      yes
room-*-end              room-a-en           no
*.*                     a.b                 yes
*.*                     a                   no
*.*                     a.b.c               no
*.*                     a..b                no
*.*                     a.                  no
*:*                     a:b                 yes
*:*                     a.b                 no
a*a                     aaa                 yes
a*a                     aa                  no
a*a                     aba                 yes
a*a                     ab                  no
a*b*c                   axbxc               yes
a*b*c                   abbc                no
a*b*c                   abbbc               yes
a*b*c                   a.bxc               no
# ** is one or more of any, at the end
**                      a                   yes
**                      a.b:c/d             yes
**                      .                   yes
news.**                 news.a              yes
news.**                 news.a.b.c          yes
news.**                 news.               no
news.**                 news                no
news.**                 newsx               no
news.**                 news..              yes
news**                  news.a              yes
news**                  newsx               yes
news**                  news                no
*.**                    a.b                 yes
*.**                    a.b.c               yes
*.**                    .b                  no
*.**                    a                   no
*.**                    a:b.c               no
***                     a                   no-pattern
# {user} is adam
{user}                  adam                yes
{user}                  eve                 no
{user}                  {user}              no
user.{user}             user.adam           yes
user.{user}             user.adam2          no
user.{user}             user.ada            no
user.{user}             user.               no
{user}.inbox            adam.inbox          yes
{user}.inbox            eve.inbox           no
{user}.**               adam.a.b            yes
{user}.**               adam                no
{user}{user}            adamadam            yes
{user}{user}            adam                no
user.{user}.*           user.adam.7         yes
user.{user}.*           user.eve.7          no
# {claim.x} is its value
org.{claim.org}         org.acme            yes
org.{claim.org}         org.acmes           no
org.{claim.org}         org.acm             no
org.{claim.org}.**      org.acme.a.b        yes
org.{claim.org}.**      org.other.a         no
org.{claim.org}.**      org.acme            no
org.{claim.org}.**      org.acme.           no
{claim.org}-{user}      acme-adam           yes
{claim.org}-{user}      acme-eve            no
n.{claim.number}        n.7                 yes
n.{claim.number}        n.07                no
n.{claim.negative}      n.-7                yes
u.{claim.utf}           u.Grüße             yes
d.{claim.deep.er.est}   d.found             yes
d.{claim.deep.er}       d.found             no
d.{claim.deep}          d.found             no
r.{claim.https://ns.example/roles} r.editor yes
p.{claim.__proto__}     p.polluted          yes
p.{claim.constructor}   p.                  no
# a value is literal, whatever is in it
s.{claim.star}          s.*                 yes
s.{claim.star}          s.x                 no
s.{claim.rest}          s.a.b               no
s.{claim.rest}          s.**                yes
s.{claim.brace}         s.{user}            yes
s.{claim.brace}         s.adam              no
# what is no text or number, is empty or absent matches nothing
x.{claim.flag}          x.true              no
x.{claim.fraction}      x.1.5               no
x.{claim.null}          x.null              no
x.{claim.null}          x.                  no
x.{claim.object}        x.x                 no
x.{claim.empty}         x.                  no
x.{claim.absent}        x.                  no
x.{claim.absent}        x.absent            no
x.{claim.absent}.**     x..a                no
x{claim.empty}y         xy                  no
# a list is any of its elements
room.{claim.rooms}      room.red            yes
room.{claim.rooms}      room.blue           yes
room.{claim.rooms}      room.green          no
room.{claim.rooms}      room.3              yes
room.{claim.rooms}      room.true           no
room.{claim.rooms}      room.nested         no
room.{claim.rooms}      room.               no
room.{claim.rooms}      room.redblue        no
room.{claim.rooms}.*    room.red.7          yes
room.{claim.rooms}.*    room.green.7        no
{claim.rooms}{claim.rooms} redblue          yes
{claim.rooms}{claim.rooms} redgreen         no
# a value in front of something else brings no separator of its own
t.{claim.dotted}        t.a.b               yes
t.{claim.dotted}.**     t.a.b.c             no
t.{claim.dotted}.c      t.a.b.c             no
t.{claim.dotted}x       t.a.bx              no
t.{claim.dotted}*       t.a.bx              no
t.{claim.dotted}{user}  t.a.badam           no
t.{claim.colon}         t.a:b               yes
t.{claim.colon}.**      t.a:b.c             no
t.{claim.slash}         t.a/b               yes
t.{claim.slash}.**      t.a/b.c             no
room.{claim.rooms}      room.a.b            yes
room.{claim.rooms}.**   room.a.b.c          no
# doubled braces are braces
{{user}}                {user}              yes
{{user}}                adam                no
a{{b                    a{b                 yes
a}}b                    a}b                 yes
{{{user}}}              {adam}              yes
{{{user}}}              adam                no
# what is no pattern
**a                     a                   no-pattern
**.a                    a                   no-pattern
a**b                    a                   no-pattern
**{user}                a                   no-pattern
{                       a                   no-pattern
}                       a                   no-pattern
a}b                     a                   no-pattern
{user                   a                   no-pattern
{user}}                 a                   no-pattern
{}                      a                   no-pattern
{usr}                   a                   no-pattern
{User}                  a                   no-pattern
{user.x}                a                   no-pattern
{claim}                 a                   no-pattern
{claim.}                a                   no-pattern
{claim.{user}}          a                   no-pattern
{claims.org}            a                   no-pattern
{header.x}              a                   no-pattern
";

fn claims() -> Claims {
    let all = serde_json::from_str(CLAIMS).unwrap();
    let paths = [
        "org",
        "dotted",
        "colon",
        "slash",
        "empty",
        "star",
        "rest",
        "brace",
        "number",
        "negative",
        "flag",
        "fraction",
        "null",
        "object",
        "rooms",
        "https://ns.example/roles",
        "deep.er.est",
        "deep.er",
        "deep",
        "utf",
        "__proto__",
        "constructor",
        "absent",
        "long",
    ];
    Claims::pick(&all, &paths.map(Into::into))
}

#[test]
fn the_table() {
    let claims = claims();
    let rows = TABLE.lines().filter(|row| !row.is_empty() && !row.starts_with("# "));
    let mut count = 0;
    for row in rows {
        let words: Vec<&str> = row.split_whitespace().collect();
        let &[pattern, name, expected] = words.as_slice() else {
            panic!("not a row: {row}");
        };
        let got = match Pattern::parse(pattern) {
            Err(_) => "no-pattern",
            Ok(pattern) if pattern.matches(name, Some("adam"), &claims) => "yes",
            Ok(_) => "no",
        };
        assert_eq!(got, expected, "{pattern} on {name}");
        count += 1;
    }
    assert!(count >= 150, "{count}");
}

#[test]
fn without_a_user_there_is_none_to_match_and_a_mail_address_may_stand_at_the_end() {
    let (none, pattern) = (Claims::default(), |text: &str| Pattern::parse(text).unwrap());
    assert!(!pattern("user.{user}").matches("user.", None, &none));
    assert!(!pattern("{user}").matches("adam", None, &none));
    assert!(pattern("user.{user}").matches("user.a.b@c.example", Some("a.b@c.example"), &none));
    assert!(!pattern("user.{user}.x").matches("user.a.b.x", Some("a.b"), &none));
    assert!(!pattern("**").matches("", None, &none));
}

#[test]
fn mistakes_are_sentences() {
    let said = |text: &str| Pattern::parse(text).unwrap_err().to_string();
    assert_eq!(said(""), "must not be empty");
    assert_eq!(said(&"x".repeat(MOST_BYTES + 1)), "is 201 bytes long, allowed are 200");
    assert!(Pattern::parse(&"x".repeat(MOST_BYTES)).is_ok());
    assert_eq!(said("a\nb"), "must not contain control characters");
    assert_eq!(said("**.a"), "may have ** at its end only");
    assert_eq!(
        said("{a"),
        "has a brace that is not closed or not opened; write {{ or }} for a brace of the name"
    );
    assert_eq!(said("{usr}"), "has {usr}; known are {user} and {claim.<name>}");
    assert_eq!(Pattern::parse("a**b"), Err(PatternError::InnerRest));
}

#[test]
fn it_says_what_it_asks_for_and_how_its_names_begin() {
    let pattern = Pattern::parse("a.{claim.org}.{user}.{claim.x}").unwrap();
    assert_eq!(pattern.claims().collect::<Vec<_>>(), ["org", "x"]);
    assert!(pattern.wants_user() && !Pattern::parse("a.*").unwrap().wants_user());
    assert_eq!(pattern.prefix(), "a.");
    assert_eq!(Pattern::parse("{{a*").unwrap().prefix(), "{a");
    assert_eq!(
        (pattern.as_str(), format!("{pattern:?}")),
        (
            "a.{claim.org}.{user}.{claim.x}",
            format!("{pattern}").replace("a.", "\"a.") + "\""
        )
    );
}

#[test]
fn the_worst_pattern_costs_little() {
    // CWE-1333: each part takes one pass over the name, whatever stands in it.
    let pattern = Pattern::parse(&"a*".repeat(99)).unwrap();
    let begun = std::time::Instant::now();
    for _ in 0..100 {
        assert!(!pattern.matches(("a".repeat(199) + ".").as_str(), None, &Claims::default()));
    }
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn no_text_is_a_pattern_that_breaks() {
    let mut random = fastrand::Rng::with_seed(7);
    let parts = [
        "a",
        "*",
        "**",
        "{user}",
        "{claim.org}",
        "{claim.rooms}",
        "{{",
        "}}",
        "{",
        "}",
        ".",
        ":",
        "/",
        "ü",
    ];
    let claims = claims();
    for _ in 0..20_000 {
        let text = |random: &mut fastrand::Rng, most| {
            (0..random.usize(1..most))
                .map(|_| *random.choice(parts.iter()).unwrap())
                .collect::<String>()
        };
        let (pattern, name) = (text(&mut random, 8), text(&mut random, 12));
        if let Ok(pattern) = Pattern::parse(&pattern) {
            let _ = pattern.matches(name.as_str(), Some("adam"), &claims);
        }
    }
    assert!(find(&serde_json::Map::new(), "...").is_none());
}

/// Somebody wants all names that begin so: only a rule that ends in `**` can cover them.
#[test]
fn a_pattern_covers_what_begins_alike_only_as_a_whole() {
    let claims = Claims::default();
    for (pattern, prefix, covers) in [
        ("**", "", true),
        ("**", "chat/", true),
        ("chat/**", "chat/", true),
        ("chat/**", "chat/a/", true),
        ("chat/**", "chat", false),
        ("chat/**", "", false),
        ("chat/**", "chap/", false),
        ("chat/*", "chat/", false),
        ("chat/", "chat/", false),
        ("*", "", false),
        ("*.**", "a.", true),
        ("*.**", "a", false),
        ("*/x/**", "a/x/", true),
        ("*/x/**", "a/y/", false),
        ("user/{user}/**", "user/adam/", true),
        ("user/{user}/**", "user/adam/x", true),
        ("user/{user}/**", "user/adam", false),
        ("user/{user}/**", "user/eve/", false),
        ("user/{user}**", "user/adam", true),
        ("user/{user}", "user/adam", false),
        ("org/{claim.org}/**", "org/acme/", false),
    ] {
        let parsed = Pattern::parse(pattern).unwrap();
        let told = parsed.matches(Names::Below(prefix), Some("adam"), &claims);
        assert_eq!(told, covers, "{pattern} covers {prefix}**");
    }
}
