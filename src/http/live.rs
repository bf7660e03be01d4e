//! `GET /v1/live`: calls while they go on, over a WebSocket; and `GET /v1/live/twilio` for telephony.
//!
//! A connection is a window on a call that lives without it (see `service::live`): what it missed, or was too slow for, it
//! reads from the store.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::error::ProblemDocument;
use super::extract::Query;
use super::{App, Error};
use crate::live::protocol::{
    AudioFormat, ClientMessage, Encoding, LONGEST_MESSAGE, Problem, ProblemCode, ServerMessage, Side,
};
use crate::live::twilio::{self, Frame, Tracks};
use crate::service::live::{Desk, Error as LiveError, Line, Starter, Told};
use crate::store::{CallId, CallStatus, Scope, Step};

/// A client that says nothing at the beginning has gone.
const FIRST: Duration = Duration::from_secs(30);
/// One that takes nothing for so long, too.
const LONGEST_SEND: Duration = Duration::from_secs(60);
/// Messages that are read from the store at a time.
const BATCH: u32 = 50;
/// An ended call is looked at so often until it is analysed.
const POLL: Duration = Duration::from_millis(100);
/// So often it is asked whether the caller's key still holds: a revoked one is out within a second.
const WATCH: Duration = Duration::from_millis(700);
/// So often a call is looked at that another process holds.
const ELSEWHERE: Duration = Duration::from_millis(400);

const FIRST_MESSAGE: &str = "the first message must be `start`, `resume` or `watch`";

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(live))
}

/// The route that brings its own key.
pub fn open_router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(telephony))
}

impl App {
    fn desk(&self) -> Result<&Desk, Error> {
        let desk = self.desk.as_ref();
        desk.ok_or_else(|| Error::unavailable("this server takes no live calls"))
    }
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

fn upgrade(upgrade: Upgrade, longest: usize) -> Result<WebSocketUpgrade, Error> {
    let upgrade = upgrade.map_err(|_| Error::bad_request("connect with a WebSocket"))?;
    Ok(upgrade.max_message_size(longest).max_frame_size(longest))
}

/// A live call: turns or sound in, labels, deal and hints out.
///
/// A WebSocket. The first message is `start`, `resume` after a broken connection, or `watch` to look at a call that somebody
/// else holds; see README, "Live calls".
#[utoipa::path(get, path = "/v1/live", tag = "live", responses(
    (status = 101, description = "The WebSocket is open"),
    (status = 400, body = ProblemDocument),
    (status = 503, body = ProblemDocument),
))]
async fn live(State(app): State<App>, user: User, socket: Upgrade) -> Result<Response, Error> {
    // Who writes may hold a call, who reads may watch one: the first message tells.
    if user.may_write(Resource::Calls).is_err() {
        user.may_read(Resource::Calls)?;
    }
    let desk = app.desk()?.clone();
    let socket = upgrade(socket, LONGEST_MESSAGE)?;
    Ok(socket.on_upgrade(move |socket| async move {
        let (out, incoming) = socket.split();
        hold(app, desk, user, Out { socket: out, seq: 0 }, incoming).await;
    }))
}

/// The way to the client.
struct Out {
    socket: SplitSink<WebSocket, Message>,
    /// Last number that was sent.
    seq: u64,
}

/// The client has gone, or takes nothing any more.
struct Gone;

impl Out {
    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        match tokio::time::timeout(LONGEST_SEND, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    async fn frame(&mut self, seq: u64, json: &str) -> Result<(), Gone> {
        self.send(Message::Text(Utf8Bytes::from(json))).await?;
        self.seq = seq;
        Ok(())
    }

    async fn message(&mut self, seq: u64, message: &ServerMessage) -> Result<(), Gone> {
        match message.to_json(seq) {
            Ok(json) => self.frame(seq, &json).await,
            Err(_) => Err(Gone),
        }
    }

    /// About the connection itself: it has the number of the message before it.
    async fn problem(&mut self, code: ProblemCode, message: &str, closes: bool) -> Result<(), Gone> {
        let problem = Problem {
            code,
            message: message.to_owned(),
            closes,
        };
        self.message(self.seq, &ServerMessage::Error(problem)).await
    }

    async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::from_static(reason),
        };
        let _ = self.send(Message::Close(Some(frame))).await;
    }

    /// Sends what is in the store behind the last message.
    async fn catch_up(&mut self, app: &App, scope: &Scope, call: &CallId) -> Result<(), Gone> {
        loop {
            let after = i64::try_from(self.seq).unwrap_or(i64::MAX);
            let store = &app.shop.store;
            let messages = store.live_messages(&scope.workspace, call, after, BATCH).await;
            let messages = messages.map_err(|error| {
                tracing::error!(%error, "messages of a live call cannot be read");
                Gone
            })?;
            if messages.is_empty() {
                return Ok(());
            }
            for (seq, json) in messages {
                self.frame(u64::try_from(seq).unwrap_or(0), &json).await?;
            }
        }
    }

    /// Sends what is told of a call, until there is a gap or no more of it.
    async fn pass_on(&mut self, mut told: tokio::sync::broadcast::Receiver<Told>) -> Result<(), Gone> {
        while let Ok(Told::Frame { seq, json }) = told.recv().await {
            if seq > self.seq {
                self.frame(seq, &json).await?;
            }
        }
        Ok(())
    }

    /// How a call ended that has: with its analysis, as soon as it is there.
    async fn finale(&mut self, app: &App, scope: &Scope, id: &CallId) -> Result<(), Gone> {
        self.catch_up(app, scope, id).await?;
        loop {
            let Ok(Some(call)) = app.shop.store.call(scope, id).await else {
                return self.problem(ProblemCode::NoCall, "there is no such call", true).await;
            };
            match call.status {
                CallStatus::Done => {
                    let Ok(Some(body)) = app.shop.store.result(scope, id, Step::Analysis).await else {
                        return Err(Gone);
                    };
                    let message = ServerMessage::Final {
                        call_id: id.to_string(),
                        analysis: serde_json::from_str(&body).map_err(|_| Gone)?,
                    };
                    return self.message(self.seq + 1, &message).await;
                }
                CallStatus::Failed | CallStatus::Cancelled => {
                    let why = call
                        .error
                        .map_or_else(|| "the call was cancelled".to_owned(), |error| error.message);
                    return self.problem(ProblemCode::Failed, &why, true).await;
                }
                CallStatus::Queued | CallStatus::Running | CallStatus::Live => tokio::time::sleep(POLL).await,
            }
        }
    }
}

async fn hold(app: App, desk: Desk, user: User, mut out: Out, mut incoming: SplitStream<WebSocket>) {
    let first = tokio::time::timeout(FIRST, incoming.next()).await;
    let message = match first {
        Ok(Some(Ok(Message::Text(text)))) => ClientMessage::read(&text).map_err(|error| error.to_string()),
        Ok(Some(Ok(_))) => Err(FIRST_MESSAGE.to_owned()),
        _ => return,
    };
    let scope = user.scope();
    if let Ok(ClientMessage::Watch { call_id, after }) = message {
        if user.may_read(Resource::Calls).is_err() {
            let why = "this key does not read calls: it may hold its own".to_owned();
            return refuse(out, &LiveError::Meta(why)).await;
        }
        out.seq = after;
        return watch(&app, &desk, &user, out, incoming, &CallId::from(call_id)).await;
    }
    if user.may_write(Resource::Calls).is_err() {
        let why = "this key reads calls only: it may `watch` them".to_owned();
        return refuse(out, &LiveError::Meta(why)).await;
    }
    let (opened, after) = match message {
        Ok(ClientMessage::Start { call, audio }) => (desk.start(starter(&user), call, audio).await, 0),
        Ok(ClientMessage::Resume { call_id, after }) => {
            let id = CallId::from(call_id);
            out.seq = after;
            let opened = desk.resume(&scope, &id).await;
            if matches!(opened, Err(LiveError::NoCall))
                && matches!(app.shop.store.live_call(&scope, &id).await, Ok(Some(_)))
            {
                let _ = out.finale(&app, &scope, &id).await;
                return out.close(close_code::NORMAL, "the call has ended").await;
            }
            (opened, after)
        }
        Ok(_) => (Err(LiveError::Meta(FIRST_MESSAGE.to_owned())), 0),
        Err(error) => (Err(LiveError::Meta(error)), 0),
    };
    let line = match opened {
        Ok(line) => line,
        Err(error) => return refuse(out, &error).await,
    };
    let (received, seq) = match line.attach(after).await {
        Ok(attached) => attached,
        Err(error) => return refuse(out, &error).await,
    };
    let ready = ServerMessage::Ready {
        call_id: line.call.to_string(),
        received,
    };
    let ready_sent = async {
        out.catch_up(&app, &scope, &line.call).await?;
        out.message(seq, &ready).await
    };
    if ready_sent.await.is_err() {
        return line.gone().await;
    }
    exchange(&app, &user, line, out, incoming).await;
}

/// Tells of a call that somebody else holds, until it has ended or the client leaves. What a watcher says is not heard.
async fn watch(app: &App, desk: &Desk, user: &User, mut out: Out, mut incoming: SplitStream<WebSocket>, id: &CallId) {
    let scope = &user.scope();
    let ended = async || {
        let known = app.shop.store.live_call(scope, id).await?;
        known.map(|call| call.ended_at.is_some()).ok_or(LiveError::NoCall)
    };
    if let Err(error) = ended().await {
        return refuse(out, &error).await;
    }
    let telling = async {
        loop {
            // Before what is stored is read: nothing falls between.
            let told = desk.listen(id);
            out.catch_up(app, scope, id).await?;
            if ended().await.map_err(|_| Gone)? {
                out.finale(app, scope, id).await?;
                return Ok(out);
            }
            match told {
                Some(told) => out.pass_on(told).await?,
                None => tokio::time::sleep(ELSEWHERE).await,
            }
        }
    };
    let leaving = async {
        while let Some(Ok(message)) = incoming.next().await {
            if matches!(message, Message::Close(_)) {
                return;
            }
        }
    };
    let told: Result<Out, Gone> = tokio::select! {
        () = leaving => Err(Gone),
        () = locked_out(app, user) => Err(Gone),
        told = telling => told,
    };
    if let Ok(out) = told {
        out.close(close_code::NORMAL, "the call has ended").await;
    }
}

fn starter(user: &User) -> Starter {
    Starter {
        scope: user.scope(),
        owner: user.0.user.clone(),
        actor: user.actor(),
    }
}

async fn refuse(mut out: Out, error: &LiveError) {
    let code = match error {
        LiveError::NoCall => ProblemCode::NoCall,
        LiveError::Store(_) | LiveError::Job(_) => {
            tracing::error!(%error, "a live call cannot be opened");
            ProblemCode::Internal
        }
        LiveError::Live(_) | LiveError::Denied | LiveError::Meta(_) => ProblemCode::BadMessage,
    };
    let text = match code {
        ProblemCode::Internal => "the server failed; try again".to_owned(),
        _ => error.to_string(),
    };
    let _ = out.problem(code, &text, true).await;
    out.close(close_code::POLICY, "refused").await;
}

/// Both ways at the same time: a client that does not read is read all the same.
async fn exchange(app: &App, user: &User, mut line: Line, mut out: Out, mut incoming: SplitStream<WebSocket>) {
    let scope = &user.scope();
    let mut told = std::mem::replace(&mut line.told, tokio::sync::broadcast::channel(1).1);
    let (wrong, mut wrongs) = mpsc::channel::<String>(8);
    let reading = async {
        loop {
            let going = match incoming.next().await {
                Some(Ok(Message::Text(text))) => match ClientMessage::read(&text) {
                    Ok(ClientMessage::Turn { turn }) => line.turn(turn).await,
                    Ok(ClientMessage::Stop) => line.stop().await,
                    Ok(_) => wrong
                        .send("this connection has its call already".to_owned())
                        .await
                        .is_ok(),
                    Err(error) => wrong.send(error.to_string()).await.is_ok(),
                },
                Some(Ok(Message::Binary(sound))) => line.sound(sound).await,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => true,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            };
            if !going {
                // The call takes no more; what is left to say comes from the other side.
                std::future::pending::<()>().await;
            }
        }
    };
    let writing = async {
        loop {
            let next = tokio::select! {
                next = told.recv() => next,
                Some(message) = wrongs.recv() => {
                    out.problem(ProblemCode::BadMessage, &message, false).await?;
                    continue;
                }
            };
            match next {
                // Older ones came from the store.
                Ok(Told::Frame { seq, .. }) if seq <= out.seq => (),
                Ok(Told::Frame { seq, json }) => out.frame(seq, &json).await?,
                Ok(Told::Ended) => {
                    out.finale(app, scope, &line.call).await?;
                    return Ok((out, close_code::NORMAL, "the call has ended"));
                }
                Err(RecvError::Lagged(_)) => {
                    out.catch_up(app, scope, &line.call).await?;
                    let message = "messages came late or, if partial, not at all: read faster";
                    out.problem(ProblemCode::Lagging, message, false).await?;
                }
                Ok(Told::Broken) | Err(RecvError::Closed) => {
                    let message = "the work on this call broke off; resume it";
                    out.problem(ProblemCode::Internal, message, true).await?;
                    return Ok((out, close_code::RESTART, "resume the call"));
                }
            }
        }
    };
    let ended: Result<(Out, u16, &'static str), Gone> = tokio::select! {
        () = reading => Err(Gone),
        () = locked_out(app, user) => Err(Gone),
        ended = writing => ended,
    };
    line.gone().await;
    if let Ok((out, code, reason)) = ended {
        out.close(code, reason).await;
    }
}

/// Ends when the caller's key or session does. An error of the database shuts nobody out.
async fn locked_out(app: &App, user: &User) {
    loop {
        tokio::time::sleep(WATCH).await;
        if matches!(app.is_still_in(user).await, Ok(false)) {
            return;
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct KeyQuery {
    /// The key, as these services set no headers. Else it is a custom parameter `key` of the stream.
    key: Option<String>,
}

/// A call as Twilio Media Streams or Voximplant send it.
///
/// A WebSocket. Custom parameters: `key`, `lang`, `rep` (`inbound` or `outbound`), `deal` (id in the CRM).
#[utoipa::path(get, path = "/v1/live/twilio", tag = "live", params(KeyQuery), security(()), responses(
    (status = 101, description = "The WebSocket is open"),
    (status = 400, body = ProblemDocument),
    (status = 401, body = ProblemDocument),
    (status = 503, body = ProblemDocument),
))]
async fn telephony(State(app): State<App>, Query(query): Query<KeyQuery>, socket: Upgrade) -> Result<Response, Error> {
    let user = match &query.key {
        Some(key) => {
            let user = app.user_of_key(key).await?;
            user.may_write(Resource::Calls)?;
            Some(user)
        }
        None => None,
    };
    let desk = app.desk()?.clone();
    let socket = upgrade(socket, twilio::LONGEST_FRAME)?;
    Ok(socket.on_upgrade(move |socket| stream(app, desk, user, socket)))
}

/// A telephone's sound, to its end. Nothing is said back: the services take no messages of ours.
async fn stream(app: App, desk: Desk, user: Option<User>, socket: WebSocket) {
    let (out, mut incoming) = socket.split();
    let out = Out { socket: out, seq: 0 };
    match phone(&app, &desk, user, &mut incoming).await {
        Ok(()) => out.close(close_code::NORMAL, "the call has ended").await,
        Err(reason) => out.close(close_code::POLICY, reason).await,
    }
}

async fn phone(
    app: &App,
    desk: &Desk,
    mut user: Option<User>,
    incoming: &mut SplitStream<WebSocket>,
) -> Result<(), &'static str> {
    let mut line: Option<Line> = None;
    let mut seen: Option<(User, Instant)> = None;
    let mut tracks = Tracks::default();
    loop {
        let next = match &line {
            None => tokio::time::timeout(FIRST, incoming.next())
                .await
                .map_err(|_| "no start")?,
            Some(_) => incoming.next().await,
        };
        let text = match next {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Binary(_))) => return Err("frames are text"),
            Some(Ok(Message::Close(_)) | Err(_)) | None => {
                if let Some(line) = line {
                    line.sound(Bytes::from(tracks.finish())).await;
                    line.gone().await;
                }
                return Ok(());
            }
        };
        let frame = match twilio::read(&text) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::warn!(%error, "a telephone stream is not understood");
                if let Some(line) = line {
                    line.gone().await;
                }
                return Err("a frame is not understood");
            }
        };
        if let (Some((caller, at)), Some(line)) = (&mut seen, &line)
            && at.elapsed() >= WATCH
        {
            *at = Instant::now();
            if matches!(app.is_still_in(caller).await, Ok(false)) {
                line.gone().await;
                return Err("a valid key is needed");
            }
        }
        match (frame, &line) {
            (Frame::Start(start), None) => {
                let caller = match (user.take(), start.parameters.get("key")) {
                    (Some(user), _) => user,
                    (None, Some(key)) => app.user_of_key(key).await.map_err(|_| "a valid key is needed")?,
                    (None, None) => return Err("a valid key is needed"),
                };
                caller
                    .may_write(Resource::Calls)
                    .map_err(|_| "the key may not do this")?;
                let opened = desk.start(starter(&caller), header(&start), Some(format(&start))).await;
                let opened = opened.map_err(|error| {
                    tracing::warn!(%error, "a telephone call cannot be opened");
                    "the call cannot be opened"
                })?;
                opened.attach(0).await.map_err(|_| "the call cannot be opened")?;
                line = Some(opened);
                seen = Some((caller, Instant::now()));
            }
            (Frame::Media { track, sound }, Some(line)) => {
                let joined = tracks.push(track, &sound);
                if !joined.is_empty() && !line.sound(Bytes::from(joined)).await {
                    return Err("the call was broken off");
                }
            }
            (Frame::Stop, Some(line)) => {
                line.sound(Bytes::from(tracks.finish())).await;
                line.stop().await;
                return Ok(());
            }
            (Frame::Media { .. } | Frame::Stop, None) => return Err("no start"),
            (Frame::Connected | Frame::Other | Frame::Start(_), _) => (),
        }
    }
}

fn header(start: &twilio::Start) -> serde_json::Value {
    let said = |name: &str| start.parameters.get(name);
    let mut header = json!({ "lang": said("lang") });
    if let Some(deal) = said("deal") {
        header["meta"] = json!({ "deal": { "crm_id": deal } });
    }
    header
}

fn format(start: &twilio::Start) -> AudioFormat {
    AudioFormat {
        encoding: Encoding::Mulaw,
        sample_rate: twilio::RATE,
        channels: 2,
        rep: match start.parameters.get("rep").map(String::as_str) {
            Some("inbound") => Some(Side::Left),
            Some("outbound") => Some(Side::Right),
            _ => None,
        },
    }
}
