"""The tables of ablations: what differs from the paper, and that its reasons are true."""

from dataclasses import replace

import pytest
import torch

from topformer_cli.api.paper_tables import ablations, paper_table
from topformer_cli.models.build import build_model
from topformer_cli.models.cost import cost_by_part
from topformer_cli.models.extractors import LONE_FFNS
from topformer_cli.models.spec import BLOCKS
from topformer_cli.recipe import ablation_names
from topformer_cli.results.printed_ablations import ABLATIONS, OWN

EVERY = pytest.mark.parametrize("number", ABLATIONS)
SCORES = ("miou", "top1", "latency_ms")


@EVERY
def test_what_differs_has_its_reason_and_nothing_else_has(number: int) -> None:
    table = paper_table(number)
    found = {
        (row.key, cell.column.key): cell.why
        for row, cells in zip(table.printed.rows, table.cells, strict=True)
        for cell in cells
        if cell.differs
    }
    assert found == ablations.REASONS.get(number, {})
    missing = {cell.column.key for row in table.cells for cell in row if cell.here is None}
    assert missing <= set(SCORES)


@EVERY
def test_the_first_note_explains_exactly_the_columns_that_are_there(number: int) -> None:
    table = paper_table(number)
    network, *explained = table.notes[0].split("; ")
    side = "T" if number in ablations.OF_TINY else "B"
    assert network == f"TopFormer-{side} with 150 classes at 512x512"
    titles = [column.title for column in table.printed.columns if column.key not in SCORES]
    assert [text.partition(":")[0] for text in explained] == titles


def test_every_row_is_a_recipe_and_every_recipe_a_row() -> None:
    rows = {row.variant for table in ABLATIONS.values() for row in table.rows}
    assert rows == {OWN, *ablation_names()} - {"fuse-depthwise", "fuse-full"}


def parameters(network: torch.nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def test_reasons_are_true() -> None:
    last = build_model(ablations.ablation_card("table2-last-token", "base"))
    buffers = sum(one.numel() for one in last.buffers() if one.is_floating_point())
    assert round((parameters(last) + buffers) / 1e6, 2) == 5.16
    strict = paper_table(3).cells[2][2].strict
    assert strict is not None
    assert round(strict, 2) == 1.36
    # Six lone networks have at least the parameters of the four blocks, five do not.
    tiny = build_model(ablations.ablation_card(OWN, "tiny"))
    lone = build_model(ablations.ablation_card("table4-ffn", "tiny"))
    blocks, ffns = (parameters(one.get_submodule("semantics_extractor")) for one in (tiny, lone))
    assert (BLOCKS, LONE_FFNS) == (4, 6)
    assert ffns * 5 / 6 < blocks < ffns


def test_without_both_branches_base_has_1808() -> None:
    own, one = (
        cost_by_part(build_model(ablations.ablation_card(name, "base")), 512, 512)[-1]
        for name in (OWN, "table5-attention")
    )
    branch = own.paper_multiply_adds - one.paper_multiply_adds
    assert round(branch / 1e9, 3) == 0.006
    assert round((own.paper_multiply_adds - 2 * branch) / 1e9, 3) == 1.808


def test_other_heads_are_equally_far_below() -> None:
    concat, total, _ = (cells[0] for cells in paper_table(6).cells)
    for cell in (concat, total):
        assert cell.here is not None
        assert round((cell.paper or 0) - cell.here, 3) == 0.007


def test_a_card_has_what_its_recipe_changes() -> None:
    own = ablations.ablation_card(OWN, "tiny")
    assert own.fuse == "full"
    card = ablations.ablation_card("table4-psp", "tiny")
    assert card == replace(own, design=replace(own.design, extractor="psp"))
