"""What C++ sources raise: how they are taken apart, and how their messages are put together."""

from __future__ import annotations

import pytest

from compatcheck.native_messages import messages_in
from compatcheck.native_tokens import Kind, Token, closing, split, tokens_of


def said(body: str) -> list[tuple[str, str]]:
    return [(each.exception, each.template) for each in messages_in(f"void pkg::check(int x) {{ {body} }}", "a.cpp")]


def test_tokens_leave_out_comments_and_directives_and_join_literals() -> None:
    text = (
        '#include "x.h"\n  # if A(1)\nint a = 1\'000; // "no"\n'
        '/* "no" */ f("a\\n\\x41" /* between */ u8"b\\"c", \'"\');\n'
    )
    assert tokens_of(text) == [
        *(Token(Kind.NAME, name) for name in ("int", "a")),
        *(Token(Kind.MARK, mark) for mark in ("=", "1'000", ";")),
        Token(Kind.NAME, "f"),
        Token(Kind.MARK, "("),
        Token(Kind.TEXT, 'a\nAb"c'),
        *(Token(Kind.MARK, mark) for mark in (",", "'\"'", ")", ";")),
    ]


def test_a_raw_string_keeps_its_quotes_and_brackets() -> None:
    assert tokens_of('R"(a " (b) c)"') == [Token(Kind.TEXT, 'a " (b) c')]
    assert tokens_of('R"x(a)" b\\n)x"') == [Token(Kind.TEXT, 'a)" b\\n')]


def test_brackets_hold_together_what_stands_in_them() -> None:
    tokens = tokens_of("f(a, g(b, c), {d, e})")
    assert closing(tokens, 1) == len(tokens) - 1
    assert ["".join(token.text for token in part) for part in split(tokens[2:-1], ",")] == ["a", "g(b,c)", "{d,e}"]
    assert closing(tokens[:4], 1) == 4, "one that is not closed ends with all"
    assert split([], ",") == []


@pytest.mark.parametrize(
    ("body", "exception", "template"),
    [
        (
            'TORCH_CHECK(x.dim() == 4, "Expected ", dim, "-dimensional input" " for this layer, but got ", f(a, b));',
            "RuntimeError",
            "Expected {}-dimensional input for this layer, but got {}",
        ),
        (
            'TORCH_CHECK_INDEX(a < (b, c), "the index is not in the list");',
            "IndexError",
            "the index is not in the list",
        ),
        ('TORCH_CHECK_VALUE(ok, "the value is not what it may be");', "ValueError", "the value is not what it may be"),
        (
            'TORCH_CHECK_WITH(DistStoreError, ok, "the store of the run has gone away: ", key);',
            "DistStoreError|RuntimeError",
            "the store of the run has gone away: {}",
        ),
        ('AT_ERROR("this ought never to happen to ", name);', "RuntimeError", "this ought never to happen to {}"),
        (
            'C10_THROW_ERROR(NotImplementedError, c10::str("there is no storage for this ", kind()));',
            "NotImplementedError",
            "there is no storage for this {}",
        ),
        (
            'throw std::runtime_error("cannot open the file " + std::string(name) + " for it");',
            "RuntimeError",
            "cannot open the file {} for it",
        ),
        ('throw py::type_error("this wants a tensor of floats");', "TypeError", "this wants a tensor of floats"),
        (
            'throw TypeError("%s(): expected a tensor, got %zu of them (100%%)", name, n);',
            "TypeError",
            "{}(): expected a tensor, got {} of them (100%)",
        ),
        ('THPUtils_setError("wanted was a list, not a %s", type);', "RuntimeError", "wanted was a list, not a {}"),
        (
            'PyErr_Format(PyExc_ValueError, "the buffer has only %ld elements", n);',
            "ValueError",
            "the buffer has only {} elements",
        ),
        (
            'TORCH_CHECK(false, fmt::format("rank {:d} holds {{none}} of the tensors {}", rank, t));',
            "RuntimeError",
            "rank {} holds {none} of the tensors {}",
        ),
        (
            'const char msg[] = "the message was written above it"; TORCH_CHECK(ok, msg);',
            "RuntimeError",
            "the message was written above it",
        ),
        (
            'std::string at; if (many) { at = " of the many"; }'
            'TORCH_CHECK(ok, "the matrix", at, " is not invertible");',
            "RuntimeError",
            "the matrix{} is not invertible",
        ),
        (
            'std::ostringstream ss; ss << "the sizes of the tensor " << name << " differ";'
            "if (y) { ss << more; } AT_ERROR(ss.str());",
            "RuntimeError",
            "the sizes of the tensor {} differ{}",
        ),
        (
            'throw ErrorReport(range) << "this type of value is not known: " << name;',
            "RuntimeError",
            "this type of value is not known: {}",
        ),
        (
            'TORCH_CHECK(ok, "a text with ", \'"\', name, "\\" in it and around");',
            "RuntimeError",
            'a text with "{}" in it and around',
        ),
        (
            'TORCH_CHECK(ok, R"(what stands "raw" here is read)");',
            "RuntimeError",
            'what stands "raw" here is read',
        ),
    ],
)  # fmt: skip
def test_a_message_is_read_however_it_is_made(body: str, exception: str, template: str) -> None:
    assert said(body) == [(each, template) for each in exception.split("|")]


@pytest.mark.parametrize(
    "body",
    [
        'TORCH_WARN("this is only a warning about something");',
        'TORCH_INTERNAL_ASSERT(ok, "the state that nobody thought of");',
        'TORCH_CHECK(ok);',
        'TORCH_CHECK(ok, "too short");',
        'TORCH_CHECK(ok, make_the_message(x));',
        '// TORCH_CHECK(ok, "this is only said in a comment");',
        'throw Unknown("a class that Python never gets to see");',
        'throw;',
        'TORCH_CHECK(ok, "ValueError: what Python itself would say of it");',
    ],
)  # fmt: skip
def test_what_is_no_message_of_its_own_is_left_out(body: str) -> None:
    assert said(body) == []


def test_a_class_that_depends_on_who_translates_it_is_given_as_both() -> None:
    assert said('throw std::invalid_argument("the argument is not one of these");') == [
        ("RuntimeError", "the argument is not one of these"),
        ("ValueError", "the argument is not one of these"),
    ]


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("Tensor at::native::conv(const Tensor& x) {{ if (x) {{ {} }} }}", "conv"),
        ("TORCH_IMPL_FUNC(addmm_out_cpu)(const Tensor& x) {{ {} }}", "addmm_out_cpu"),
        ("struct A {{ A(int x) : a_(x), b_(f(x)) {{ {} }} }};", "A"),
        ("void run() const noexcept {{ auto f = [&](int x) {{ {} }}; }}", "run"),
        ("#define CHECK(x) {}", ""),
    ],
)
def test_the_function_is_told_where_it_shows(text: str, function: str) -> None:
    (found,) = messages_in(text.format('TORCH_CHECK(ok, "what this function says of it");'), "a.cpp")
    assert found.function == function


def test_what_was_written_in_another_function_is_not_said_in_this_one() -> None:
    text = 'void a() { std::string msg = "the words of the other function"; }\nvoid b(X msg) { TORCH_CHECK(ok, msg); }'
    assert list(messages_in(text, "a.cpp")) == []
