//! Limits the memory of answers that wait for their clients.

use std::sync::Arc;

use futures_util::{Stream, TryStreamExt as _, stream};
use http_body_util::{BodyExt as _, Either, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Bytes, Frame},
    header,
};
use tokio::sync::Semaphore;

use super::Reply;
use crate::budget::{Budget, Share};
use crate::error::{Cause, Error};

/// For all answers, in MiB.
const MEMORY: usize = 16;
/// A shorter answer does not count. Its connection takes about as much anyway.
const FREE_BYTES: usize = 4 << 10;
/// The streams that can prepare a chunk at the same time. The others wait before they read it.
const MAX_PREPARING: usize = 32;

#[derive(Clone)]
pub struct AnswerBudget {
    budget: Budget,
    preparing: Arc<Semaphore>,
}

impl Default for AnswerBudget {
    fn default() -> Self {
        Self::new(MEMORY)
    }
}

impl AnswerBudget {
    fn new(mebibytes: usize) -> Self {
        Self { budget: Budget::new(mebibytes), preparing: Arc::new(Semaphore::new(MAX_PREPARING)) }
    }

    /// Charges the bytes of an answer until the kernel has taken them. If the budget is used up, an answer is refused and
    /// the next chunk of a stream waits. Static answers cost nothing.
    pub async fn charge(&self, reply: Reply) -> Result<Reply, Error> {
        let (parts, body) = reply.into_parts();
        let is_event_stream = parts.headers.get(header::CONTENT_TYPE).is_some_and(|it| it == "text/event-stream");
        let body = match body {
            Either::Left(whole) => {
                let Ok(whole) = whole.collect().await;
                Either::Left(Full::new(self.charge_whole(whole.to_bytes())?))
            }
            Either::Right(events) if is_event_stream => Either::Right(boxed(self.charge_events(events))),
            Either::Right(_) if self.budget.is_used_up() => return Err(Error::TooManyAnswers),
            Either::Right(chunks) => Either::Right(boxed(self.charge_chunks(chunks))),
        };
        Ok(Reply::from_parts(parts, body))
    }

    fn charge_whole(&self, bytes: Bytes) -> Result<Bytes, Error> {
        if bytes.len() <= FREE_BYTES || !bytes.is_unique() {
            return Ok(bytes);
        }
        let mut share = self.budget.share();
        if share.grow(bytes.len()) { Ok(Charged::bytes(bytes, share, None)) } else { Err(Error::TooManyAnswers) }
    }

    fn charge_chunks(&self, body: UnsyncBoxBody<Bytes, Cause>) -> impl Stream<Item = Result<Bytes, Cause>> + use<> {
        stream::try_unfold((self.clone(), body.into_data_stream()), |(answers, mut chunks)| async move {
            // Until the chunk is charged, so that few chunks are in memory without being charged.
            let preparing = answers.preparing.clone().acquire_owned().await?;
            let Some(chunk) = chunks.try_next().await? else { return Ok(None) };
            let share = answers.budget.wait_for(chunk.len()).await;
            drop(preparing);
            Ok(Some((Charged::bytes(chunk, share, None), (answers, chunks))))
        })
    }

    /// A subscriber without unsent events never waits for others.
    fn charge_events(&self, body: UnsyncBoxBody<Bytes, Cause>) -> impl Stream<Item = Result<Bytes, Cause>> + use<> {
        let state = (self.budget.clone(), body.into_data_stream(), Arc::new(()));
        stream::try_unfold(state, |(budget, mut chunks, unsent)| async move {
            let Some(chunk) = chunks.try_next().await? else { return Ok(None) };
            let is_free = chunk.len() <= FREE_BYTES && Arc::strong_count(&unsent) == 1;
            let share = if is_free { budget.share() } else { budget.wait_for(chunk.len()).await };
            Ok(Some((Charged::bytes(chunk, share, Some(unsent.clone())), (budget, chunks, unsent))))
        })
    }
}

fn boxed(chunks: impl Stream<Item = Result<Bytes, Cause>> + Send + 'static) -> UnsyncBoxBody<Bytes, Cause> {
    StreamBody::new(chunks.map_ok(Frame::data)).boxed_unsync()
}

/// hyper drops it when all bytes are written.
struct Charged {
    bytes: Bytes,
    _share: Share,
    _unsent: Option<Arc<()>>,
}

impl Charged {
    fn bytes(bytes: Bytes, share: Share, unsent: Option<Arc<()>>) -> Bytes {
        Bytes::from_owner(Self { bytes, _share: share, _unsent: unsent })
    }
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};
    use hyper::StatusCode;

    use super::*;
    use crate::reply::{streamed, whole};

    const MIB: usize = 1 << 20;
    static PAGE: &[u8] = &[b' '; 2 * FREE_BYTES];

    fn json(length: usize) -> Reply {
        whole(StatusCode::OK, "application/json", vec![b' '; length])
    }

    async fn taken(reply: Reply) -> Bytes {
        reply.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_whole_answer_beyond_the_budget_is_refused_until_another_is_written() {
        let answers = AnswerBudget::new(2);
        let first = answers.charge(json(MIB)).await.unwrap();
        let second = taken(answers.charge(json(MIB)).await.unwrap()).await;
        let refused = answers.charge(json(FREE_BYTES + 1)).await.unwrap_err();
        assert!(matches!(refused, Error::TooManyAnswers), "{refused}");
        assert_eq!(answers.charge(json(FREE_BYTES)).await.unwrap().status(), 200);
        let page = whole(StatusCode::OK, "text/html", Bytes::from_static(PAGE));
        assert_eq!(answers.charge(page).await.unwrap().status(), 200);
        drop(second);
        assert_eq!(answers.charge(json(MIB)).await.unwrap().status(), 200);
        drop(first);
        assert_eq!(answers.charge(json(9 * MIB)).await.unwrap().status(), 200, "larger than the budget, but alone");
    }

    #[tokio::test]
    async fn the_next_chunk_of_a_stream_waits_for_the_budget_but_events_do_not() {
        let answers = AnswerBudget::new(2);
        let body = async |content_type, length| {
            let chunks = stream::repeat_with(move || Ok(Bytes::from(vec![b' '; length])));
            answers.charge(streamed(content_type, chunks)).await.unwrap().into_body().into_data_stream()
        };
        let (mut csv, mut events) = (body("text/csv", MIB).await, body("text/event-stream", 100).await);
        let mut unsent = vec![csv.next().await, csv.next().await];
        assert!(csv.next().now_or_never().is_none());
        for _ in 0..3 {
            assert!(events.next().now_or_never().is_some(), "without unsent events");
        }
        let event = events.next().await;
        assert!(events.next().now_or_never().is_none(), "the subscriber has an unsent event");
        assert!(answers.charge(streamed("text/csv", stream::empty())).await.is_err());
        unsent.clear();
        assert!(csv.next().await.unwrap().is_ok() && events.next().await.unwrap().is_ok());
        drop(event);
    }
}
