"""Mail by SMTP."""

import asyncio
from email.message import EmailMessage
from email.utils import format_datetime

from services.kit.sending import Message, Never, NotNow
from services.kit.settings import SendingSettings

PATIENCE_S = 20


class Mail:
    def __init__(self, settings: SendingSettings) -> None:
        self._settings = settings

    async def send(self, message: Message) -> None:
        """Raises `NotNow`, and `Never` where the address or the mail itself is refused."""
        import aiosmtplib  # noqa: PLC0415 - who sends no mail does not wait for it

        settings = self._settings
        try:
            written = compose(message, settings.mail_from)
        except ValueError:
            raise Never("bad_address") from None
        secret = settings.mail_password
        try:
            async with asyncio.timeout(PATIENCE_S):
                await aiosmtplib.send(
                    written,
                    hostname=settings.mail_host,
                    port=settings.mail_port,
                    username=settings.mail_user or None,
                    password=secret.get_secret_value() if secret else None,
                    use_tls=settings.mail_tls == "tls",
                    start_tls=settings.mail_tls == "starttls",
                    timeout=PATIENCE_S,
                )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            if all(one.code >= 500 for one in refused.recipients):
                raise Never("refused") from None
            raise NotNow("unreachable") from None
        except aiosmtplib.SMTPDataError as refused:
            raise (Never("refused") if refused.code >= 500 else NotNow("unreachable")) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError):  # the server, our name or password there: not the recipient's fault
            raise NotNow("unreachable") from None


def compose(message: Message, sender: str) -> EmailMessage:
    """The same at every try. Raises ValueError for an address that cannot be one."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = message.to
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(message.put_at)
    mail["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2].rstrip('>')}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body)  # drops what is said of the content
    mail["Content-Language"] = message.language
    return mail
