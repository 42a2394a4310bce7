#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod body;
mod client;
mod date;
mod events;
mod inbox;
mod limits;
mod request;
mod response;
mod router;
mod server;
mod site;
mod source;
mod status;
mod text;
mod wait;
mod websocket;
pub mod wire;

pub use body::{Body, BodyError};
pub use client::{Client, ClientBody, ClientError, ClientLimits};
pub use date::{http_date, parse_http_date};
pub use events::{Event, Events};
pub use limits::Limits;
pub use request::Request;
pub use response::{Answering, Handler, IntoResponse, Response};
pub use router::Router;
pub use server::{Stop, serve, serve_flow, serve_until};
pub use site::{Ranged, Site};
pub use source::{BrokenOff, Piece, PipeReader, PipeWriter, Source, Unread, pipe};
pub use websocket::{
    FrameDecoder, Incoming, Message, Opcode, SocketError, SocketLimits, Violation, WebSocket, push_frame, websocket,
};
