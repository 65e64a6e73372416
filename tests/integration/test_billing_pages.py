"""Billing's pages: a provider's bills, the money of a case, the invoices."""

from tests.integration.test_billing import Door, Story, db, door, owner, story  # noqa: F401 - fixtures


async def test_a_provider_sees_its_bills_and_what_they_come_to(story: Story, door: Door) -> None:  # noqa: F811 - the fixture
    await story.ready()
    await story.hear(story.completed(), story.corrected(("hook_up", "unit", "1")))
    async with door.of("provider", "read", provider_id=story.provider) as provider:
        page = (await provider.get("/extranet/bills")).text
    assert page.count("<tr>") == 4
    assert '<data class="e-money" value="11400">114,00' in page
    assert "Annulation" in page


async def test_a_provider_without_bills_is_told_when_they_come(story: Story, door: Door) -> None:  # noqa: F811
    async with door.of("provider", "read", provider_id=story.provider) as provider:
        assert "dès qu’une prestation est terminée" in (await provider.get("/extranet/bills")).text


async def test_the_desk_sees_the_money_of_a_case_in_a_fragment(story: Story, door: Door) -> None:  # noqa: F811
    address = f"/pages/billing/cases/{story.case}/money?part=1"
    await story.hear(story.terms(), *story.opened(), story.completed())
    async with door.of("agent", "read") as agent:
        assert "tarif manquant" in (await agent.get(address)).text
        await story.put(story.tariff())
        await story.hear(story.granted(cap=10_000, rate="0.10"))
        part = (await agent.get(address)).text
        assert "<html" not in part
        assert [f'value="{cents}"' in part for cents in (14_100, 10_530, 5_100)] == [True, True, True]
        assert "<html" in (await agent.get(address.removesuffix("?part=1"))).text


async def test_finance_sees_the_invoices_and_an_agent_does_not(story: Story, door: Door) -> None:  # noqa: F811
    await story.ready()
    await story.hear(story.completed())
    made = await story.invoice()
    async with door.of("finance", "read") as finance:
        assert made.number in (await finance.get("/desk/invoices")).text
        assert "Invoices issued" in (await finance.get("/desk/invoices", params={"lang": "en"})).text
    async with door.of("agent", "read") as agent:
        assert (await agent.get("/desk/invoices")).status_code == 403
