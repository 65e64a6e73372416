"""SMS by an operator's HTTP door: JSON `{id, from, to, text}`, a bearer token, `Idempotency-Key` the same at every try."""

from services.kit.sending import Message, Never, NotNow
from services.kit.settings import SendingSettings

PATIENCE_S = 20
REFUSED = frozenset({400, 404, 410, 422})  # the number or the text; all else may pass


class Sms:
    def __init__(self, settings: SendingSettings) -> None:
        self._settings = settings

    async def send(self, message: Message) -> None:
        """Raises `NotNow`, and `Never` where the number or the text is refused."""
        import httpx  # noqa: PLC0415 - who sends no SMS does not wait for it

        settings = self._settings
        headers = {"Idempotency-Key": message.id}
        if settings.sms_token:
            headers["Authorization"] = f"Bearer {settings.sms_token.get_secret_value()}"
        said = {"id": message.id, "from": settings.sms_from, "to": message.to, "text": message.body}
        try:
            async with httpx.AsyncClient(timeout=PATIENCE_S, follow_redirects=False) as http:
                answer = await http.post(settings.sms_url, json=said, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            raise NotNow("unreachable") from None
        if answer.status_code in REFUSED:
            raise Never("refused")
        if not answer.is_success:
            raise NotNow("unreachable")
