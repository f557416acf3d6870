"""Settings: what a file may say, and what a wrong one is told."""

from __future__ import annotations

import pytest

from txgateway.config import ConfigError, Settings, merge, read_settings


def test_what_is_left_out_has_its_default():
    settings = read_settings('[discovery]\netcd = ["http://a:2379", "http://b:2379"]\n', "tgw.toml")
    assert settings.discovery.etcd == ("http://a:2379", "http://b:2379")
    assert settings.upstream == Settings().upstream


def test_one_text_stands_for_a_list_of_one():
    assert read_settings('[mapping]\nidl = "idl"\n', "tgw.toml").mapping.idl == ("idl",)


def test_what_is_merged_later_wins():
    settings = read_settings('[http]\nlisten = "tcp:1"\nmax_body = 5\n', "tgw.toml")
    merged = merge(settings, {"http": {"listen": ["tcp:2"]}})
    assert merged.http.listen == ("tcp:2",)
    assert merged.http.max_body == 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[htp]", "1: htp: no such table; did you mean http?"),
        ("[x]", "1: x: no such table; there are http, mapping, "),
        ("http = 3", "1: http: expected a table"),
        ("[http]\nmaxbody = 3", "2: http.maxbody: no such setting; did you mean max_body?"),
        ("[http]\n\nretries = 3", "3: http.retries: no such setting; there is one in [policy]"),
        ("[http]\nx = 3", "2: http.x: no such setting; there are listen, admin, "),
        ("[http]\nmax_body = -1", "2: http.max_body: expected a whole number of bytes from 0 to 1073741824, got -1"),
        (
            "[http]\nmax_body = true",
            "2: http.max_body: expected a whole number of bytes from 0 to 1073741824, got true",
        ),
        ("[health]\ncheck = 1", "2: health.check: expected true or false, got 1"),
        ('[upstream]\ndeadline = "soon"', '2: upstream.deadline: expected seconds from 0.001 to 3600, got "soon"'),
        ("[upstream]\ndeadline = nan", "2: upstream.deadline: expected seconds from 0.001 to 3600, got nan"),
        ("[mapping]\nidl = [1]", "2: mapping.idl: expected text or a list of texts, got [1]"),
        ("[upstream]\nbalancer = 1", "2: upstream.balancer: expected text, got 1"),
        ('[upstream]\nbalancer = "none"', '2: upstream.balancer: no "none"; there are alias, ewma'),
        ('[upstream]\nprotocol = "json"', '2: upstream.protocol: no "json"; there are binary, compact'),
        ('[policy]\nretry_on = ["closed", "rain"]', '2: policy.retry_on: no "rain"; there are unavailable, '),
        ("[http", "1: no TOML: Expected ']' at the end of a table declaration"),
        ("[http]\nlisten =\n\n", "2: no TOML at column 9: Invalid value"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place(text, says):
    with pytest.raises(ConfigError) as caught:
        read_settings(text, "tgw.toml")
    assert str(caught.value).startswith(f"tgw.toml:{says}")


def test_all_that_is_wrong_is_said_at_once():
    toml = '[htp]\n[http]\nmax_body = 1\nidle_timeout = 0\n[upstream]\nbalancer = "x"\n'
    with pytest.raises(ConfigError) as caught:
        read_settings(toml, "tgw.toml")
    assert [(each.file, each.line, each.name) for each in caught.value.complaints] == [
        ("tgw.toml", 1, "htp"),
        ("tgw.toml", 4, "http.idle_timeout"),
        ("tgw.toml", 6, "upstream.balancer"),
    ]


def test_a_secret_stands_in_a_file_or_in_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "password"
    file.write_text("of a file\n")
    monkeypatch.setenv("TGW_TEST_PASSWORD", "of the environment")

    def password(toml: str) -> str:
        return read_settings(f"[discovery]\npassword = {toml}\n", "tgw.toml").discovery.password

    assert password('"here"') == "here"
    assert password(f'{{ file = "{file}" }}') == "of a file"
    assert password('{ env = "TGW_TEST_PASSWORD" }') == "of the environment"
    for toml, says in [
        (f'{{ file = "{tmp_path}/none" }}', "none: No such file"),
        ('{ env = "TGW_TEST_NONE" }', "there is no TGW_TEST_NONE in the environment"),
        ('{ env = "PATH", file = "x" }', "expected text, "),
        ("31337", "expected text, "),
    ]:
        with pytest.raises(ConfigError, match=f"discovery.password: .*{says}") as caught:
            password(toml)
        assert "31337" not in str(caught.value)


def test_a_secret_is_not_shown():
    settings = merge(Settings(), {"discovery": {"user": "anna", "password": "hunter2"}})
    assert "anna" in repr(settings)
    assert "hunter2" not in repr(settings)
