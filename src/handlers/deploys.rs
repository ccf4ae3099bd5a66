//! `GET /api/deploys`: deploys, newest first.

use crate::domain::cursor::DeployCursor;
use crate::domain::deploy::{Attempt, Stage, State};
use crate::domain::key::Key;
use crate::error::{Cause, Error};
use crate::reply::{self, Reply};
use crate::request::{ESCAPED, Page, Request, encode, encode_filter};
use crate::store::{AttemptKey, StageKeys, Store};

/// Each of these deploys can have 1,000 stages.
const MAX_WITH_STAGES: u32 = 100;

pub async fn list(store: &Store, request: &mut Request<'_>) -> Result<Reply, Error> {
    request.accepts_json()?;
    let query = &mut request.query;
    let filter = query.filter();
    let state = query.take("state", |name| {
        State::named(name).ok_or_else(|| "must be running, finished, stale or superseded".to_owned())
    });
    let stages = query.take("stages", |text| text.parse::<bool>().map_err(|_| "must be true or false".to_owned()));
    let page = Page::<DeployCursor>::take(query);
    if stages == Some(true) && page.limit > MAX_WITH_STAGES {
        query.refuse("limit".to_owned(), format!("must be a number from 1 to {MAX_WITH_STAGES} with stages"));
    }
    query.finish()?;
    let mut keys = store.deploys.list(&filter, state, page.after, page.count()).await?;
    let next = page.cut(&mut keys, |last| Some(last.of.cursor));
    let mut reply = if stages == Some(true) {
        let stages = store.deploys.stages(&keys).await?;
        with_stages(store, keys, stages).await?
    } else {
        let deploys = store.deploys.clone();
        let read = move |keys: Vec<AttemptKey>| {
            let deploys = deploys.clone();
            async move { Ok(deploys.read(&keys).await?.into_iter().flatten().collect::<Vec<_>>()) }
        };
        reply::list(b"[".to_vec(), keys, b"]", read).await?
    };
    let stages = stages.map(|stages| if stages { "true" } else { "false" });
    let parameters =
        encode_filter(&filter) + &encode(&[("state", state.map(State::name)), ("stages", stages)], ESCAPED);
    page.link(&mut reply, "/api/deploys", &parameters, next);
    Ok(reply)
}

/// What follows in the list.
#[derive(Clone, Copy)]
enum Part {
    Deploy {
        has_more_stages: bool,
    },
    /// Of the last deploy.
    Stage,
}

/// The stages of one deploy can be large, so a chunk can end between them.
async fn with_stages(store: &Store, deploys: Vec<Key<AttemptKey>>, stages: Vec<StageKeys>) -> Result<Reply, Error> {
    let parts = deploys.into_iter().zip(stages).flat_map(|(deploy, stages)| {
        let part = Part::Deploy { has_more_stages: stages.has_more };
        let stages = stages.found.into_iter().map(|stage| (Part::Stage, stage));
        [(part, deploy)].into_iter().chain(stages)
    });
    let parts = parts.map(|(part, key)| Key { of: (part, key.of), bytes: key.bytes }).collect();
    let deploys = store.deploys.clone();
    let read = move |parts: Vec<(Part, AttemptKey)>| {
        let (parts, keys): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let deploys = deploys.clone();
        async move { Ok(parts.into_iter().zip(deploys.read(&keys).await?).collect()) }
    };
    let mut writer = Writer::default();
    reply::chunked(reply::chunks(parts), read, move |parts: Vec<(Part, Option<Attempt>)>, is_last, out| {
        if !writer.has_begun {
            out.push(b'[');
            writer.has_begun = true;
        }
        for (part, attempt) in parts {
            match part {
                Part::Deploy { has_more_stages } => writer.deploy(attempt.as_ref(), has_more_stages, out)?,
                Part::Stage => writer.stage(attempt.as_ref(), out)?,
            }
        }
        if is_last {
            writer.end_deploy(out);
            out.push(b']');
        }
        Ok(())
    })
    .await
}

/// Writes deploys with their stages as elements of an array.
#[derive(Default)]
struct Writer {
    has_begun: bool,
    has_deploys: bool,
    open: Option<OpenDeploy>,
}

/// The deploy whose stages follow.
struct OpenDeploy {
    has_stages: bool,
    has_more_stages: bool,
}

impl Writer {
    /// Of a deploy that was deleted since, the stages are left out, too.
    fn deploy(&mut self, deploy: Option<&Attempt>, has_more_stages: bool, out: &mut Vec<u8>) -> Result<(), Cause> {
        self.end_deploy(out);
        let Some(deploy) = deploy else { return Ok(()) };
        if self.has_deploys {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, deploy)?;
        out.pop(); // the brace at the end
        out.extend_from_slice(b",\"stages\":[");
        self.has_deploys = true;
        let has_more_stages = has_more_stages && deploy.record.fields.run.is_some();
        self.open = Some(OpenDeploy { has_stages: false, has_more_stages });
        Ok(())
    }

    fn stage(&mut self, stage: Option<&Attempt>, out: &mut Vec<u8>) -> Result<(), Cause> {
        let (Some(deploy), Some(stage)) = (&mut self.open, stage) else { return Ok(()) };
        if deploy.has_stages {
            out.push(b',');
        }
        deploy.has_stages = true;
        Ok(serde_json::to_writer(out, &Stage(stage))?)
    }

    fn end_deploy(&mut self, out: &mut Vec<u8>) {
        if let Some(deploy) = self.open.take() {
            out.extend_from_slice(if deploy.has_more_stages { b"],\"stages_omitted\":true}" } else { b"]}" });
        }
    }
}
