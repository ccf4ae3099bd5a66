//! One group: each record of it is answered by itself, whatever becomes of its neighbours.

use tokio::sync::oneshot;

use crate::{
    error::Error,
    record::{NewRecord, Record},
    store::{Delivered, Delivery, Inner, connections::Failure, insert::Written},
};

/// What becomes of one delivery. The inner error: its key stands for other content, which differs in these fields.
pub type Outcome = Result<Result<Delivered, Vec<&'static str>>, Error>;

/// A delivery and who waits for it.
pub struct Job {
    pub lane: usize,
    pub delivery: Delivery,
    pub answer: oneshot::Sender<Outcome>,
}

/// Why there is no database to be had, and those that are to be told so.
pub type GivenUp = (Failure, Vec<Job>);

/// Writes a group and answers each of it. Fails where there is no database to be had.
pub async fn write_group(inner: &Inner, group: Vec<Job>) -> Result<(), GivenUp> {
    // What the database refuses is only one of them: each is tried by itself.
    let mut refused = write_together(inner, group).await?.into_iter();
    while let Some(job) = refused.next() {
        if let Err((failure, mut jobs)) = write_together(inner, vec![job]).await {
            jobs.extend(refused);
            return Err((failure, jobs));
        }
    }
    Ok(())
}

/// Writes all of these or none, their lanes held, and answers each; hands back those that the database refuses together.
async fn write_together(inner: &Inner, mut jobs: Vec<Job>) -> Result<Vec<Job>, GivenUp> {
    while !jobs.is_empty() {
        let deliveries: Vec<&Delivery> = jobs.iter().map(|job| &job.delivery).collect();
        match inner.deliver(&deliveries, true).await {
            Ok(Ok(written)) => jobs = answer(inner, jobs, &written).await,
            // Nothing was written: once more without those whose key stands for something else.
            Ok(Err(reused)) => {
                for (place, fields) in reused.into_iter().rev() {
                    jobs.remove(place).answer(Ok(Err(fields)));
                }
            }
            Err(Failure::Broken(_)) if jobs.len() > 1 => return Ok(jobs),
            Err(failure @ (Failure::Unreachable(_) | Failure::Silent(_))) => return Err((failure, jobs)),
            Err(failure) => {
                for job in jobs {
                    job.fail(&failure);
                }
                return Ok(Vec::new());
            }
        }
    }
    Ok(Vec::new())
}

/// Answers each with its record; hands back those whose earlier delivery another replica has just removed.
async fn answer(inner: &Inner, jobs: Vec<Job>, written: &[Written]) -> Vec<Job> {
    let (mut replays, mut ids) = (Vec::new(), Vec::new());
    for (job, written) in jobs.into_iter().zip(written) {
        match *written {
            Written::New(addition) => job.record(|said| addition.to(said)),
            Written::Replay(id) => {
                replays.push(job);
                ids.push(id);
            }
        }
    }
    if ids.is_empty() {
        return replays;
    }
    match inner.records(&ids).await {
        Ok(mut records) => {
            let (standing, gone) =
                replays.into_iter().zip(ids).partition::<Vec<_>, _>(|(_, id)| records.contains_key(id));
            for (job, id) in standing {
                if let Some(record) = records.remove(&id) {
                    job.answer(Ok(Ok(Delivered { record, is_replay: true })));
                }
            }
            gone.into_iter().map(|(job, _)| job).collect()
        }
        Err(failure) => {
            for job in replays {
                job.fail(&failure);
            }
            Vec::new()
        }
    }
}

impl Job {
    /// The component's key.
    pub fn key(&self) -> Option<(String, String)> {
        let Delivery { record, key } = &self.delivery;
        key.as_ref().map(|key| (record.component.clone(), key.clone()))
    }

    /// The client may have left: then nobody listens.
    fn answer(self, outcome: Outcome) {
        let _ = self.answer.send(outcome);
    }

    fn record(self, whole: impl FnOnce(NewRecord) -> Record) {
        let record = whole(self.delivery.record);
        let _ = self.answer.send(Ok(Ok(Delivered { record, is_replay: false })));
    }

    pub fn fail(self, failure: &Failure) {
        self.answer(Err(failure.share()));
    }
}
