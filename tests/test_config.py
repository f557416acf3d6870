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
        ("[htp]\n", "tgw.toml: [htp]: no such table"),
        ("http = 3\n", "tgw.toml: http: expected a table"),
        ("[http]\nmaxbody = 3\n", "tgw.toml: http.maxbody: no such setting"),
        ("[http]\nmax_body = -1\n", "tgw.toml: http.max_body: expected a whole number of bytes"),
        ("[http]\nmax_body = true\n", "tgw.toml: http.max_body: expected a whole number of bytes"),
        ("[http]\naccess_log = 1\n", "tgw.toml: http.access_log: expected true or false"),
        ('[upstream]\ndeadline = "soon"\n', "tgw.toml: upstream.deadline: expected seconds"),
        ("[upstream]\ndeadline = nan\n", "tgw.toml: upstream.deadline: expected seconds"),
        ("[mapping]\nidl = [1]\n", "tgw.toml: mapping.idl: expected text or a list of texts"),
        ("[upstream]\nbalancer = 1\n", "tgw.toml: upstream.balancer: expected text"),
        ("[http\n", "tgw.toml: "),
    ],
)
def test_a_wrong_setting_is_named(text, says):
    with pytest.raises(ConfigError) as caught:
        read_settings(text, "tgw.toml")
    assert str(caught.value).startswith(says)
