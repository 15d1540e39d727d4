"""How GitHub shows hooks, what they were sent, statuses and check runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fakes.github.views.accounts import AccountViews
from tests.fakes.github.views.common import node_id, time
from tests.fakes.model import CheckRun, Hook, Repository, Status

if TYPE_CHECKING:
    from tests.fakes.deliveries import Delivery

HOOK_LINKS = {"test": "test", "ping": "pings", "deliveries": "deliveries"}


class ReportViews(AccountViews):
    """Makes JSON."""

    def hook(self, hook: Hook, last: int | None) -> dict[str, Any]:
        """The secret is never shown."""
        assert hook.repository is not None
        own = f"{self.api}/repos/{hook.repository.full_name}/hooks/{hook.id}"
        answer = {"code": last, "status": "unused" if last is None else "active", "message": None}
        return {
            "type": "Repository",
            "id": hook.id,
            "name": "web",
            "active": hook.active,
            "events": hook.events,
            "config": self.hook_config(hook),
            "url": own,
            **{f"{name}_url": f"{own}/{path}" for name, path in HOOK_LINKS.items()},
            "last_response": answer,
            "created_at": time(hook.created),
            "updated_at": time(hook.updated),
        }

    def hook_config(self, hook: Hook) -> dict[str, Any]:
        hidden = {"secret": "********"} if hook.secret else {}
        return {
            "url": hook.url,
            "content_type": hook.content_type,
            "insecure_ssl": hook.insecure_ssl,
            **hidden,
        }

    def delivery(self, delivery: Delivery, installation: int | None) -> dict[str, Any]:
        """As lists show it."""
        attempt = delivery.attempts[-1]
        return {
            "id": delivery.id,
            "guid": delivery.guid,
            "delivered_at": time(delivery.delivered),
            "redelivery": len(delivery.attempts) > 1,
            "duration": round(attempt.seconds, 2),
            "status": "OK" if 200 <= attempt.status < 300 else "Invalid HTTP Response",
            "status_code": attempt.status,
            "event": delivery.event,
            "action": delivery.action,
            "installation_id": installation,
            "repository_id": delivery.repository.id if delivery.repository else None,
            "throttled_at": None,
        }

    def status(self, repository: Repository, status: Status) -> dict[str, Any]:
        return {
            "url": f"{self.api}/repos/{repository.full_name}/statuses/{status.sha}",
            "avatar_url": f"{self.url}/avatars/{status.creator.id}",
            "id": status.id,
            "node_id": node_id("Status", status.id),
            "state": status.state,
            "description": status.description or None,
            "target_url": status.target_url or None,
            "context": status.context,
            "created_at": time(status.created),
            "updated_at": time(status.created),
            "creator": self.account(status.creator),
        }

    def check_run(self, repository: Repository, run: CheckRun) -> dict[str, Any]:
        own = f"{self.api}/repos/{repository.full_name}/check-runs/{run.id}"
        output = {key: run.output.get(key) for key in ("title", "summary", "text")}
        return {
            "id": run.id,
            "node_id": node_id("CheckRun", run.id),
            "head_sha": run.head_sha,
            "name": run.name,
            "external_id": run.external_id,
            "url": own,
            "html_url": f"{self.url}/{repository.full_name}/runs/{run.id}",
            "details_url": run.details_url or self.url,
            "status": run.status,
            "conclusion": run.conclusion,
            "started_at": run.started,
            "completed_at": run.completed,
            "output": {
                **output,
                "annotations_count": len(run.annotations),
                "annotations_url": f"{own}/annotations",
            },
            "check_suite": {"id": run.id},
            "app": self.app(run.app),
            "pull_requests": [],
        }
