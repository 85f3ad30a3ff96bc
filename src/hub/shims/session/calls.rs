//! The calls that a shim asks to hold, releases, and hears of.

use super::weighing::Full;
use super::{End, Session, send, telling};
use crate::core::ids::{ApprovalId, Digest};
use crate::core::messages::{Decided, Decision, Registered, Release, Request, Ruled};
use crate::core::policy::{Ruling, Verdict};
use crate::core::trust;
use crate::core::weigh::Opinion;
use crate::hub::approvals::{Registration, Released};
use crate::hub::store::StoreError;
use crate::wire::ToWrap;

impl Session<'_> {
    pub(super) async fn request(&mut self, request: Request) -> Result<(), End> {
        if !self.hub.servers.has_decision_point() {
            return self.register(request, Ok(Opinion::None)).await;
        }
        if let Some(refusal) = self.hub.approvals.refusal(self.shim, &request).await? {
            return self.tell(request.id, &request.tool, &request.digest, refusal).await;
        }
        match self.weighing.ask(self.hub, self.shim, request) {
            Ok(()) => Ok(()),
            Err(full) => {
                let Full(request) = *full;
                let why = "too many calls wait for the external decision point".to_owned();
                self.register(request, Ok(Opinion::No(why))).await
            }
        }
    }

    pub(super) async fn register(&mut self, request: Request, opinion: Result<Opinion, StoreError>) -> Result<(), End> {
        let (id, tool, digest) = (request.id.clone(), request.tool.clone(), request.digest.clone());
        let registration = match opinion {
            Ok(opinion) => self.hub.approvals.register(self.shim, request, &opinion).await,
            Err(error) => Err(error),
        };
        let registration = match registration {
            Ok(registration) => registration,
            // The shim holds the call, comes again and asks again, under the same id.
            Err(error) if error.passes() => return Err(error.into()),
            Err(error) => {
                tracing::error!(%error, "a call could not be recorded and is refused");
                let reasons = vec!["the hub could not record the call, because its store failed".to_owned()];
                let trust = trust::of_name(&tool);
                Registration::Ruled(Ruling { verdict: Verdict::Deny, bypass: false, trust, reasons })
            }
        };
        self.tell(id, &tool, &digest, registration).await
    }

    /// Tells the shim what became of its request.
    async fn tell(
        &mut self,
        id: ApprovalId,
        tool: &str,
        digest: &Digest,
        registration: Registration,
    ) -> Result<(), End> {
        match registration {
            Registration::Ruled(ruling) => send(self.socket, &ToWrap::Verdict(Ruled { id, ruling, busy: false })).await,
            Registration::Busy(why) => {
                let trust = trust::of_name(tool);
                let ruling = Ruling { verdict: Verdict::Deny, bypass: false, trust, reasons: vec![why] };
                send(self.socket, &ToWrap::Verdict(Ruled { id, ruling, busy: true })).await
            }
            Registration::Held(held) => {
                let approval = held.approval.id.clone();
                let remaining_ms = telling::remaining(held.approval.deadline_at, self.hub.now());
                let link = self.link(&approval);
                let otherwise = (held.digest != *digest).then(|| held.arguments());
                let arguments = otherwise.transpose()?.map(str::to_owned);
                let registered = Registered { id, approval, remaining_ms, link, arguments };
                send(self.socket, &ToWrap::Registered(registered)).await?;
                for news in self.told.begin(&held, self.hub.now()) {
                    send(self.socket, &news).await?;
                }
                Ok(())
            }
        }
    }

    fn link(&self, approval: &ApprovalId) -> String {
        format!("{}/approvals/{approval}", self.hub.base_url.get())
    }

    pub(super) async fn release(&mut self, release: Release) -> Result<(), End> {
        let answer = match self.hub.approvals.release(self.shim, release.clone()).await? {
            Released::Go => ToWrap::Go(release),
            Released::No(reason) => {
                self.told.forget(&release.approval);
                ToWrap::Decision(Decided { approval: release.approval, decision: Decision::Cancelled { reason } })
            }
        };
        send(self.socket, &answer).await
    }

    pub(super) async fn tell_news(&mut self, approval: ApprovalId) -> Result<(), End> {
        if !self.told.knows(&approval) {
            return Ok(());
        }
        let Some(held) = self.hub.approvals.held(&approval).await? else { return Ok(()) };
        for news in self.told.news(&held, self.hub.now()) {
            send(self.socket, &news).await?;
        }
        Ok(())
    }
}
