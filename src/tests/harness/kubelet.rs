//! A kubelet that knows the pods that it is given, behind TLS, and for those who have its token.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};

use super::tls::TlsFront;

/// The token that it wants.
pub(crate) const TOKEN: &str = "the-token-of-the-agent";

/// What it does.
#[derive(Debug, Default)]
struct State {
    pods: Vec<Value>,
    /// It answers this status in place of them.
    refuses: Option<u16>,
    /// It takes so long.
    takes_ms: u64,
    /// When it was asked.
    asked: Vec<Instant>,
}

/// A running kubelet.
pub(crate) struct Kubelet {
    state: Arc<Mutex<State>>,
    tls: TlsFront,
}

impl Kubelet {
    /// Without pods. `certificate`: of `testdata/tls`.
    pub(crate) fn start(certificate: &str) -> Kubelet {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        // It ends with the process: nobody connects any more once the front is gone.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Kubelet { state, tls: TlsFront::start_as(certificate, address, false) }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.tls.port)
    }

    /// It knows one more.
    pub(crate) fn add(&self, pod: Value) {
        self.state.lock().unwrap().pods.push(pod);
    }

    /// It knows none any more.
    pub(crate) fn clear(&self) {
        self.state.lock().unwrap().pods.clear();
    }

    /// It answers this status from now on; `None`: as it should.
    pub(crate) fn refuses(&self, status: Option<u16>) {
        self.state.lock().unwrap().refuses = status;
    }

    /// It takes so long to answer from now on.
    pub(crate) fn takes(&self, millis: u64) {
        self.state.lock().unwrap().takes_ms = millis;
    }

    /// When it was asked.
    pub(crate) fn asked(&self) -> Vec<Instant> {
        self.state.lock().unwrap().asked.clone()
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(request)) = lines.next() else { return };
    let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let wanted = format!("authorization: Bearer {TOKEN}");
    let has_token = head.iter().any(|line| line.eq_ignore_ascii_case(&wanted));
    let (status, body, takes) = {
        let mut state = state.lock().unwrap();
        state.asked.push(Instant::now());
        let list = json!({"kind": "PodList", "apiVersion": "v1", "items": state.pods}).to_string();
        let status = if has_token { state.refuses.unwrap_or(200) } else { 401 };
        (if request.starts_with("GET /pods ") { status } else { 404 }, list, state.takes_ms)
    };
    std::thread::sleep(std::time::Duration::from_millis(takes));
    let body = if status == 200 { body } else { "refused".to_owned() };
    // Who asked may have given up.
    let _ = write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
}
