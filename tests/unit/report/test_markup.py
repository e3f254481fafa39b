"""Whatever is not markup is escaped."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.report.markup import Markup, data_uri, element, join, table

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


class Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXT, TEXT)
def test_any_text_comes_back_as_it_was(text: str, value: str) -> None:
    found = Reader(element("p", text, attributes={"title": value}))
    assert found.text == text
    assert found.tags == [("p", {"title": value})]


def test_markup_is_kept_and_void_elements_are_not_closed() -> None:
    inner = join("a<b", element("br"), Markup("<i>c</i>"))
    assert element("p", inner) == "<p>a&lt;b<br><i>c</i></p>"


def test_the_first_cell_of_a_row_is_its_header() -> None:
    text = table("what", ("name", "n"), [("<x>", "1")])
    assert '<th scope="row">&lt;x&gt;</th><td>1</td>' in text
    assert '<th scope="col">name</th>' in text
    assert "<caption>what</caption>" in text


def test_an_address_holds_its_bytes() -> None:
    assert data_uri(b"ab", "image/png") == "data:image/png;base64,YWI="
