"""All settings as text: an example that can be read, and a page that keeps what stands around its tables."""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen

from txgateway.config import TABLES, Settings, read_settings
from txgateway.core.setting import flag, live, seconds, setting, table, table_of
from txgateway.core.settings_text import example, reference


@frozen
class Lamp:
    """What gives light."""

    wires: Mapping[str, str] = setting({}, table, "where each goes", example='red = "left"')
    dim: float = live(2.5, seconds(0, 10), "until it is dark")
    lit: bool = setting(True, flag, "whether it | shines")


LAMP = table_of("lamp", Lamp)


def test_the_example_says_of_each_setting_what_it_means_and_may_be():
    assert example([LAMP]).partition("\n\n")[2] == (
        "# What gives light.\n[lamp]\n\n"
        "# Until it is dark.\n# (seconds from 0 to 10; live)\ndim = 2.5\n\n"
        "# Whether it | shines.\n# (true or false)\nlit = true\n\n"
        '# Where each goes.\n# (a table)\n[lamp.wires]\n# red = "left"\n'
    )


def test_the_example_of_all_settings_is_their_defaults():
    toml = example(TABLES)
    assert read_settings(toml, "example.toml") == Settings()
    for each in TABLES:
        assert each.meaning.endswith("."), f"the class of [{each.name}] says what it is about"
        for one in each.settings:
            assert re.search(rf"(?m)^(\[{one.full_name}\]|{one.name} = )", toml)
            assert one.meaning


def test_what_the_example_holds_out_may_be_taken():
    settings = read_settings(re.sub(r"(?m)^# (?=\S+ = )", "", example(TABLES)), "example.toml")
    assert settings.policy.methods["book.queryBook"]["retries"] == 2
    assert settings.health.check_methods == {"book": "ping"}


SECTION = """\
## [lamp]

What gives light.

| setting | default | may be | meaning | taken over |
| --- | --- | --- | --- | --- |
| `wires` | `{}` | a table | where each goes | at a start |
| `dim` | `2.5` | seconds from 0 to 10 | until it is dark | live |
| `lit` | `true` | true or false | whether it \\| shines | at a start |
"""


def test_a_section_of_the_page_is_brought_up_to_date_and_nothing_else():
    old = (
        "# Page\n\n## [lamp]\n\n| setting | default |\n| --- | --- |\n| `dim` | `1` |\n\nMore.\n\n## [cable]\n\n| x |\n"
    )
    assert reference(old, [LAMP]) == f"# Page\n\n{SECTION}\nMore.\n\n## [cable]\n\n| x |\n"


def test_a_table_without_a_section_gets_one():
    page = reference("# Page\n", [LAMP])
    assert page == f"# Page\n\n{SECTION}"
    assert reference(page, [LAMP]) == page
