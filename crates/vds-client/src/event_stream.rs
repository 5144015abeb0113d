//! Server-sent events: bytes in, whole events out. Nothing here waits or reads.
//!
//! Source: WHATWG HTML, "Server-sent events", interpretation of an event stream. `retry` is not used.

/// Most bytes of one event; a longer one is an error, not a reason to fill the memory.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamEvent {
    /// Its id, to go on after it; empty where the service gave none.
    pub id: String,
    /// Its name; empty where the service gave none.
    pub name: String,
    /// What it says.
    pub data: String,
}

/// The event is longer than is read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Takes bytes as they come.
#[derive(Debug, Default)]
pub(crate) struct EventParser {
    line: Vec<u8>,
    after_return: bool,
    event: StreamEvent,
    has_data: bool,
}

impl EventParser {
    /// Takes bytes; events that became whole are pushed to `events`.
    ///
    /// # Errors
    /// [`TooLong`]: the stream is of no more use.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        events: &mut impl Extend<StreamEvent>,
    ) -> Result<(), TooLong> {
        for byte in bytes {
            match byte {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    events.extend(self.end_line());
                }
                _ => {
                    self.after_return = false;
                    self.line.push(*byte);
                }
            }
            if self.line.len() + self.event.data.len() > EVENT_BYTES_MAX {
                return Err(TooLong);
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Option<StreamEvent> {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut self.event.id),
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.has_data = true;
                self.event.data.push_str(value);
            }
            // Comments (an empty field) keep the connection alive; unknown fields are to be ignored.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stream: &str, expected: &[(&str, &str, &str)]) {
        let expected: Vec<StreamEvent> = expected
            .iter()
            .map(|(id, name, data)| StreamEvent {
                id: (*id).to_owned(),
                name: (*name).to_owned(),
                data: (*data).to_owned(),
            })
            .collect();
        // However it is cut into pieces, the same comes out.
        for piece in 1..=stream.len() {
            let mut parser = EventParser::default();
            let mut events = Vec::new();
            for bytes in stream.as_bytes().chunks(piece) {
                parser.feed(bytes, &mut events).unwrap();
            }
            assert_eq!(events, expected, "{stream:?} in pieces of {piece}");
        }
    }

    #[test]
    fn events_are_put_together() {
        check("id: 7\nevent: change\ndata: {\"a\":1}\n\n", &[("7", "change", "{\"a\":1}")]);
        check("data:one\r\ndata: two\r\n\r\ndata: x\r\r", &[("", "", "one\ntwo"), ("", "", "x")]);
        check(": still here\n\nretry: 5\n\ndata\n\n", &[("", "", "")]);
        check("data: without an end\n", &[]);
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = EventParser::default();
        let mut events = Vec::new();
        let line = format!("data: {}\n", "x".repeat(1000));
        let refused = (0..2000).any(|_| parser.feed(line.as_bytes(), &mut events).is_err());
        assert!(refused);
        assert!(events.is_empty());
    }
}
