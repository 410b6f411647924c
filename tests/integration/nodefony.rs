//! The protocol of nodefony: the three requests at its path, and services that are sockets of somebody else.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener};

use crate::harness::socket::{Heard, Socket};
use crate::harness::{Request, Server, Value, json, to_channel, within};

/// A server with a service at this address, which everybody may call.
pub fn with(services: &str) -> Server {
    Server::with(&format!(
        "[may.anyone]\njoin = [\"**\"]\npublish = [\"news\"]\ncall = [\"random\", \"closed\"]\n{services}"
    ))
}

pub fn tcp(name: &str, address: &str) -> String {
    format!("[clients.nodefony.services.{name}]\ntype = \"tcp\"\naddress = {address:?}\n")
}

pub struct Client(pub Socket);

impl Client {
    pub async fn open(server: &Server) -> Self {
        Self::on(Socket::open(server, "/realtime").await).await
    }

    pub async fn on(mut socket: Socket) -> Self {
        socket.say(r#"{"channel":"/meta/connect"}"#).await;
        let mut client = Self(socket);
        assert_eq!(client.next().await["channel"], "/meta/connect");
        client
    }

    pub async fn say(&mut self, message: Value) {
        self.0.say(&message.to_string()).await;
    }

    pub async fn next(&mut self) -> Value {
        serde_json::from_str(&self.0.text().await).unwrap()
    }

    async fn unsubscribe(&mut self, service: &str) {
        let path = format!("/service/{service}");
        self.say(json!({"channel": "/meta/unsubscribe", "subscription": path}))
            .await;
    }

    pub async fn subscribe(&mut self, service: &str, data: Option<&str>) -> Value {
        let path = format!("/service/{service}");
        self.say(json!({"channel": "/meta/subscribe", "subscription": path, "data": data}))
            .await;
        self.next().await
    }
}

pub async fn accepted(listener: &TcpListener) -> TcpStream {
    within("the bridge", listener.accept()).await.unwrap().0
}

async fn read(wire: &mut TcpStream, expected: &str) {
    let mut text = vec![0; expected.len()];
    within("what was written", wire.read_exact(&mut text)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&text), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_a_socket_of_its_own_for_each_client_and_ends_when_its_peer_does() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = with(&tcp("random", &listener.local_addr().unwrap().to_string()));
    let mut client = Client::open(&server).await;
    let (answer, mut peer) = tokio::join!(
        client.subscribe("random", Some("{\"method\":\"start\"}")),
        accepted(&listener)
    );
    assert_eq!((&answer["successful"], &answer["error"]), (&json!(true), &json!("")));
    read(&mut peer, "{\"method\":\"start\"}").await;
    // A letter in two pieces comes whole.
    let (first, rest) = "é€".as_bytes().split_at(3);
    peer.write_all(first).await.unwrap();
    assert_eq!(client.next().await["data"], "é");
    peer.write_all(rest).await.unwrap();
    let said = client.next().await;
    assert_eq!(
        (&said["channel"], &said["data"]),
        (&json!("/service/random"), &json!("€"))
    );
    client
        .say(json!({"channel": "/service/random", "id": 7, "data": "Grüße"}))
        .await;
    assert_eq!(
        client.next().await,
        json!({"version": "1.0", "successful": true, "id": 7})
    );
    read(&mut peer, "Grüße").await;
    // Another client has another one.
    let mut other = Client::open(&server).await;
    let (_, mut second) = tokio::join!(other.subscribe("random", None), accepted(&listener));
    second.write_all(b"only yours").await.unwrap();
    assert_eq!(other.next().await["data"], "only yours");
    drop(other);
    let mut rest = Vec::new();
    within("the end", second.read_to_end(&mut rest)).await.unwrap();
    // It says its last words, and the answer comes when the peer has ended.
    client
        .say(json!({"channel": "/meta/unsubscribe", "subscription": "/service/random", "data": "bye"}))
        .await;
    read(&mut peer, "bye").await;
    assert_eq!(
        within("the end", peer.read(&mut [0; 1])).await.unwrap(),
        0,
        "half-closed"
    );
    peer.write_all(b"last words").await.unwrap();
    drop(peer);
    assert_eq!(client.next().await["data"], "last words");
    let over = client.next().await;
    assert_eq!(
        (&over["channel"], &over["successful"]),
        (&json!("/meta/unsubscribe"), &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_or_is_not_for_it_is_refused_with_its_code() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let services = tcp("closed", &closed.to_string()) + &tcp("secret", "127.0.0.1:9");
    let server = with(&services);
    let mut client = Client::open(&server).await;
    let refused = client.subscribe("closed", None).await;
    let text = refused["error"]["error"].as_str().unwrap();
    assert!(
        text.starts_with("403:") && text.ends_with(",/meta/subscribe:ECONNREFUSED"),
        "{text}"
    );
    let denied = client.subscribe("secret", None).await;
    assert!(
        denied["error"]["error"]
            .as_str()
            .unwrap()
            .contains("you may not call secret"),
        "{denied}"
    );
    // Nothing but what is configured is reached, whatever a name looks like (CWE-918).
    for name in ["127.0.0.1:22", "http://127.0.0.1/", "x%00", "constructor", "__proto__"] {
        let answer = client.subscribe(name, None).await;
        assert!(answer["error"]["error"].is_string(), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_may_be_a_socket_in_the_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("service.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = with(&format!(
        "[clients.nodefony.services.random]\ntype = \"unix\"\npath = {:?}\n",
        path.display().to_string()
    ));
    let mut client = Client::open(&server).await;
    let accept = async { within("the bridge", listener.accept()).await.unwrap().0 };
    let (answer, mut peer) = tokio::join!(client.subscribe("random", None), accept);
    assert_eq!(answer["successful"], true);
    peer.write_all(b"READY").await.unwrap();
    assert_eq!(client.next().await["data"], "READY");
}

/// A service that floods does not end its client, nor fill the server: it is read as fast as the client reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_a_service_waits_for_its_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = with(&tcp("random", &listener.local_addr().unwrap().to_string()));
    let mut client = Client::open(&server).await;
    let (_, mut peer) = tokio::join!(client.subscribe("random", None), accepted(&listener));
    let flood = tokio::spawn(async move {
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..512 {
            peer.write_all(&piece).await?;
        }
        peer.shutdown().await
    });
    let mut count = 0;
    loop {
        let said = client.next().await;
        match said["data"].as_str() {
            Some(data) => count += data.len(),
            None => break assert_eq!(said["channel"], "/meta/unsubscribe"),
        }
    }
    assert_eq!(count, 512 * 64 * 1024);
    assert!(flood.await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn its_three_requests_are_guarded_and_answered() {
    let server = with("[clients.nodefony.services.news]\ntype = \"channel\"\nchannel = \"news\"\n");
    let ping = server.get("/realtime?_=1795233069353").await;
    assert_eq!((ping.status, ping.text()), (200, "PING".to_owned()));
    let handshake = json!({"version": "1.0", "channel": "/meta/handshake", "supportedConnectionTypes": ["websocket"]});
    let shaken = server.ask(Request::json("/realtime", &handshake)).await.value();
    assert_eq!(shaken["successful"], true);
    assert_eq!(shaken["ext"]["url"]["pathname"], "/realtime");
    let address: Value = serde_json::from_str(shaken["ext"]["address"].as_str().unwrap()).unwrap();
    assert_eq!(address["remoteAddress"], "127.0.0.1");
    assert!(shaken["timestamp"].as_str().unwrap().ends_with(" GMT"));
    // Whoever has an id reads its address as a text, as the first clients do; the last ones have none.
    let id = shaken["clientId"].as_str().filter(|id| !id.is_empty()).unwrap();
    let mut socket = Socket::open(&server, "/realtime").await;
    for (said, is_text) in [(json!({"clientId": id}), true), (json!({"clientId": null}), false)] {
        let mut said = said;
        said["channel"] = "/meta/connect".into();
        socket.say(&said.to_string()).await;
        let connected: Value = serde_json::from_str(&socket.text().await).unwrap();
        assert!(humantime::parse_rfc3339(connected["timestamp"].as_str().unwrap()).is_ok());
        let address = &connected["ext"]["address"];
        assert_eq!(address.is_string(), is_text);
        let parsed = address
            .as_str()
            .map(|text| serde_json::from_str::<Value>(text).unwrap());
        let address = parsed.as_ref().unwrap_or(address);
        assert_eq!(address["remoteAddress"], "127.0.0.1");
        assert_eq!(address["host"]["pathname"], "/realtime", "no page says where it is");
    }
    for body in ["[]", "no json", "{}", "{\"channel\":\"/meta/connect\"}"] {
        assert_eq!(server.ask(Request::post("/realtime", body)).await.status, 400, "{body}");
    }
    let foreign = |method: &str| Request::new(method, "/realtime").header("origin", "https://evil.example");
    for request in [foreign("GET"), foreign("POST").body("{}")] {
        assert_eq!(server.ask(request).await.status, 403, "CWE-1385");
    }
    assert_eq!(server.ask(Request::new("PUT", "/realtime")).await.status, 405);
    let mut client = Client::open(&server).await;
    client.subscribe("news", None).await;
    server.receipt(&to_channel("news", "A", json!({"n": 1}))).await;
    assert_eq!(client.next().await["data"], "{\"n\":1}");
    for _ in 0..20 {
        client.0.say("{").await;
        assert!(client.next().await["error"].is_object());
    }
    assert_eq!(client.next().await["channel"], "/meta/disconnect");
    assert_eq!(client.0.next().await, Heard::Closed(Some(4000)));
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_the_goodbye_reaches_the_service() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = with(&tcp("random", &listener.local_addr().unwrap().to_string()));
    let mut client = Client::open(&server).await;
    let (_, mut peer) = tokio::join!(client.subscribe("random", Some("first ")), accepted(&listener));
    let large = "x".repeat(48 * 1024);
    for _ in 0..8 {
        client
            .say(json!({"channel": "/service/random", "id": 7, "data": large}))
            .await;
        assert_eq!(client.next().await["successful"], true);
    }
    client.say(json!({"channel": "/meta/disconnect"})).await;
    assert_eq!(client.next().await["channel"], "/meta/unsubscribe");
    assert_eq!(client.next().await["channel"], "/meta/disconnect");
    let mut all = String::new();
    within("the end", peer.read_to_string(&mut all)).await.unwrap();
    assert_eq!(all.len(), "first ".len() + 8 * large.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_on_which_nothing_is_said_ends_and_its_client_hears_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let idle = tcp("random", &listener.local_addr().unwrap().to_string()) + "idle = \"100ms\"\n";
    let server = with(&idle);
    let mut client = Client::open(&server).await;
    let (_, mut peer) = tokio::join!(client.subscribe("random", None), accepted(&listener));
    let over = client.next().await;
    assert_eq!(
        (&over["channel"], &over["successful"], &over["error"]),
        (
            &json!("/meta/unsubscribe"),
            &json!(true),
            &json!("408:/service/random:ETIMEDOUT")
        )
    );
    within("the end", peer.read_to_end(&mut Vec::new())).await.unwrap();
    assert_eq!(client.subscribe("random", None).await["successful"], true);
}

/// It was told as 403, as if nobody had been there.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_breaks_off_or_never_answers_is_told_as_what_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (full, _waits) = crowded().await;
    let services = tcp("random", &listener.local_addr().unwrap().to_string())
        + &tcp("closed", &full.local_addr().unwrap().to_string())
        + "timeout = \"200ms\"\n";
    let server = with(&services);
    let mut client = Client::open(&server).await;
    let (_, peer) = tokio::join!(client.subscribe("random", None), accepted(&listener));
    socket2::SockRef::from(&peer)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    drop(peer);
    let over = client.next().await;
    assert_eq!(
        (&over["channel"], &over["successful"], &over["error"]),
        (
            &json!("/meta/unsubscribe"),
            &json!(true),
            &json!("500:/service/random:ECONNRESET")
        )
    );
    let late = client.subscribe("closed", None).await;
    let error = late["error"]["error"].as_str().unwrap();
    assert!(
        error.starts_with("408:") && error.ends_with(",/meta/subscribe:ETIMEDOUT"),
        "{error}"
    );
}

/// A place where of two that come one waits until the other is accepted, and one that came.
async fn crowded() -> (TcpListener, TcpStream) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let first = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener, first)
}

/// A subscription that was given up hung on: the bridge opened later, and nobody could end it.
#[tokio::test(flavor = "multi_thread")]
async fn unsubscribing_ends_a_bridge_that_is_not_there_yet() {
    let (listener, first) = crowded().await;
    let address = listener.local_addr().unwrap();
    let server = with(&tcp("random", &address.to_string()));
    let mut client = Client::open(&server).await;
    let subscribe = |data: &str| json!({"channel": "/meta/subscribe", "subscription": "/service/random", "data": data});
    client.say(subscribe("given up")).await;
    client.unsubscribe("random").await;
    let given_up = client.next().await;
    assert_eq!(
        (&given_up["channel"], &given_up["successful"]),
        (&json!("/meta/subscribe"), &json!(false))
    );
    let over = client.next().await;
    assert_eq!(
        (&over["channel"], &over["successful"]),
        (&json!("/meta/unsubscribe"), &json!(true))
    );
    client.say(subscribe("wanted")).await;
    drop(accepted(&listener).await);
    drop(first);
    read(&mut accepted(&listener).await, "wanted").await;
    assert_eq!(client.next().await["successful"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn unsubscribing_ends_a_bridge_that_waits_for_others() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let services: String = (0..18).map(|number| tcp(&format!("s{number}"), &address)).collect();
    let server = Server::with(&format!("[may.anyone]\ncall = [\"*\"]\n{services}"));
    let mut client = Client::open(&server).await;
    let mut peers = Vec::new();
    for number in 0..16 {
        let name = format!("s{number}");
        let (answer, peer) = tokio::join!(client.subscribe(&name, None), accepted(&listener));
        assert_eq!(answer["successful"], true);
        peers.push(peer);
    }
    for name in ["s16", "s17"] {
        let path = format!("/service/{name}");
        client
            .say(json!({"channel": "/meta/subscribe", "subscription": path, "data": name}))
            .await;
    }
    client.unsubscribe("s16").await;
    assert_eq!(client.next().await["successful"], false, "the subscription");
    assert_eq!(client.next().await["successful"], true, "its end");
    drop(peers.pop());
    assert_eq!(client.next().await["subscription"], "/service/s15");
    assert_eq!(client.next().await["subscription"], "/service/s17");
    read(&mut accepted(&listener).await, "s17").await;
}

/// The second was never answered, and what was said in between was acknowledged and thrown away.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_unsubscribes_twice_is_told_so_and_hears_the_end_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = with(&tcp("random", &listener.local_addr().unwrap().to_string()));
    let mut client = Client::open(&server).await;
    let (_, mut peer) = tokio::join!(client.subscribe("random", None), accepted(&listener));
    client.unsubscribe("random").await;
    client.unsubscribe("random").await;
    client
        .say(json!({"channel": "/service/random", "id": 7, "data": "late"}))
        .await;
    let twice = client.next().await;
    assert_eq!(
        (&twice["channel"], &twice["error"]["error"]),
        (
            &json!("/meta/unsubscribe"),
            &json!("404:/service/random:Unknown Channel")
        )
    );
    let late = client.next().await;
    assert_eq!((&late["id"], &late["successful"]), (&json!(7), &json!(false)));
    let again = client.subscribe("random", None).await;
    assert_eq!(
        again["error"]["error"],
        "500:/service/random:the unsubscription is not answered yet"
    );
    let mut rest = Vec::new();
    within("the end", peer.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
    drop(peer);
    let over = client.next().await;
    assert_eq!((&over["successful"], &over["error"]), (&json!(true), &json!("")));
    let (answer, _peer) = tokio::join!(client.subscribe("random", None), accepted(&listener));
    assert_eq!(answer["successful"], true);
}
