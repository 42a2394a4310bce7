use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use mirage_sig::{KvRo, Method, WallClock};

use crate::response::{Answering, Handler, IntoResponse, Response};
use crate::{Request, Site};

/// Hands requests to handlers by method and path.
///
/// A pattern is a path, as in `/status`. A segment `:name` of it stands for any one that is not empty, and `*` at its end for
/// all that follows: [`Request::param`] gives them. Of the routes that fit, the first one that was added is taken.
///
/// `HEAD` goes where `GET` does, `OPTIONS` is answered with what is allowed, a method that is not with 405, and a path that
/// nobody has with 404.
///
/// ```
/// use mirage_http::{Request, Response, Router};
///
/// async fn greet(request: Request) -> String {
///     format!("Hello, {}!\n", request.param("name").unwrap_or("world"))
/// }
///
/// let router = Router::new()
///     .get("/greet/:name", greet)
///     .get("/status", async |_| Response::json(r#"{"up":true}"#))
///     .post("/echo", async |mut request: Request| request.text(1_000).await);
/// ```
#[derive(Default)]
pub struct Router {
    routes: Vec<Route>,
}

struct Route {
    /// None is any.
    method: Option<Method>,
    pattern: Rc<str>,
    handler: Box<dyn Handler>,
}

impl Route {
    fn allows(&self, method: Method) -> bool {
        match self.method {
            None => true,
            Some(Method::Get) => matches!(method, Method::Get | Method::Head),
            Some(own) => own == method,
        }
    }
}

impl Router {
    /// A router that knows no path.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `handler` answer `method`, or any if it is none, where `pattern` fits. For a [`Site`], say, or another router.
    pub fn mount(self, method: Option<Method>, pattern: &str, handler: impl Handler + 'static) -> Self {
        self.add(method, pattern, Box::new(handler))
    }

    fn add(mut self, method: Option<Method>, pattern: &str, handler: Box<dyn Handler>) -> Self {
        self.routes.push(Route { method, pattern: pattern.into(), handler });
        self
    }

    // The bound is that of `Handler`, written out: from this the compiler knows what a closure is given.

    /// Lets `handler` answer any method.
    pub fn any<T: IntoResponse>(self, pattern: &str, handler: impl AsyncFn(Request) -> T + 'static) -> Self {
        self.mount(None, pattern, handler)
    }

    /// Lets `handler` answer `GET`, and `HEAD`.
    pub fn get<T: IntoResponse>(self, pattern: &str, handler: impl AsyncFn(Request) -> T + 'static) -> Self {
        self.mount(Some(Method::Get), pattern, handler)
    }

    /// Lets `handler` answer `POST`.
    pub fn post<T: IntoResponse>(self, pattern: &str, handler: impl AsyncFn(Request) -> T + 'static) -> Self {
        self.mount(Some(Method::Post), pattern, handler)
    }

    /// Lets `handler` answer `PUT`.
    pub fn put<T: IntoResponse>(self, pattern: &str, handler: impl AsyncFn(Request) -> T + 'static) -> Self {
        self.mount(Some(Method::Put), pattern, handler)
    }

    /// Lets `handler` answer `DELETE`.
    pub fn delete<T: IntoResponse>(self, pattern: &str, handler: impl AsyncFn(Request) -> T + 'static) -> Self {
        self.mount(Some(Method::Delete), pattern, handler)
    }

    /// Serves the values of `store` under `path`, as files: a [`Site`] with its defaults.
    pub fn site<S: KvRo + Clone + 'static>(self, path: &str, clock: impl WallClock + 'static, store: S) -> Self {
        let mut pattern = String::from(path.trim_end_matches('/'));
        pattern.push_str("/*");
        self.mount(Some(Method::Get), &pattern, Site::new(clock, store))
    }

    /// What can be asked for at `path`, as a list; empty if nobody has it.
    fn allowed(&self, path: &str) -> String {
        use Method::*;
        let mut list = String::new();
        for method in [Get, Head, Post, Put, Patch, Delete] {
            if self.routes.iter().any(|route| route.allows(method) && (path == "*" || fits(&route.pattern, path))) {
                list.push_str(method.as_str());
                list.push_str(", ");
            }
        }
        if !list.is_empty() || path == "*" {
            list.push_str(Options.as_str());
        }
        list
    }
}

impl Handler for Router {
    fn handle<'a>(&'a self, mut request: Request) -> Answering<'a> {
        let (method, path) = (request.method(), request.path());
        let fitting = self.routes.iter().find(|route| route.allows(method) && fits(&route.pattern, path));
        if let Some(route) = fitting {
            request.set_pattern(&route.pattern);
            return route.handler.handle(request);
        }
        let allowed = self.allowed(path);
        let response = match method {
            _ if allowed.is_empty() => Response::error(404, ""),
            Method::Options => Response::new(204).with_header("Allow", &allowed),
            _ => Response::error(405, "").with_header("Allow", &allowed),
        };
        Box::pin(core::future::ready(response))
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    walk(pattern, path, |_, _| ()).is_some()
}

/// What stands in `path` where `pattern` has `:name`, or, for the name `*`, at its end.
pub(crate) fn param<'a>(pattern: &str, path: &'a str, name: &str) -> Option<&'a str> {
    let mut found = None;
    walk(pattern, path, |known, value| {
        if known == name && found.is_none() {
            found = Some(value);
        }
    })?;
    found
}

/// Goes along both, and tells of each part of the path that the pattern has a name for; None if they do not fit.
fn walk<'a>(pattern: &str, path: &'a str, mut each: impl FnMut(&str, &'a str)) -> Option<()> {
    let (mut pattern, mut path) = (pattern.strip_prefix('/')?, path.strip_prefix('/')?);
    loop {
        if pattern == "*" {
            each("*", path);
            return Some(());
        }
        let (word, more) = split(pattern);
        let (segment, rest) = split(path);
        match word.strip_prefix(':') {
            Some(name) if !segment.is_empty() => each(name, segment),
            None if word == segment => {}
            _ => return None,
        }
        match (more, rest) {
            (None, None) => return Some(()),
            (Some(more), Some(rest)) => (pattern, path) = (more, rest),
            _ => return None,
        }
    }
}

/// The first segment, and what follows its slash, if there is one.
fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('/').map_or((path, None), |(segment, rest)| (segment, Some(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, held) in [
            ("/", "/", true),
            ("/", "/a", false),
            ("/a", "/a", true),
            ("/a", "/a/", false),
            ("/a/", "/a", false),
            ("/a/:b", "/a/c", true),
            ("/a/:b", "/a/", false),
            ("/a/:b", "/a/c/d", false),
            ("/:a/x", "/c/x", true),
            ("/*", "/", true),
            ("/*", "/a/b", true),
            ("/a/*", "/a/", true),
            ("/a/*", "/a", false),
            ("/a/*", "/ab/c", false),
            ("/a", "*", false),
            ("a", "/a", false),
        ] {
            assert_eq!(fits(pattern, path), held, "{pattern} {path}");
        }
        assert_eq!(param("/a/:b/:c", "/a/1/2", "c"), Some("2"));
        assert_eq!(param("/a/:b/*", "/a/1/2/3", "*"), Some("2/3"));
        assert_eq!(param("/a/:b", "/a/1", "x"), None);
    }
}
