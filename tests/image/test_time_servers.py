"""Who a unit asks for the time: data of the recipe, in the image as the unit's own reader takes it."""

from dataclasses import replace

import pytest

from omamori.firmware.host.paths import Paths
from omamori.firmware.update import clock
from omamori.image.errors import RecipeError
from omamori.image.layers import Release, system_stage, write_time_servers
from omamori.image.recipe import MOST_TIME_SERVERS, RECIPES, Recipe, TimeServer, load
from omamori.protocol.version import Version


def written(folder, recipe: Recipe):
    ours = folder / "usr/lib/omamori"
    ours.mkdir(parents=True, exist_ok=True)
    write_time_servers(ours, recipe)
    return ours / "time.json"


def test_the_products_servers_are_what_the_unit_reads(tmp_path):
    product = load("product")
    first = written(tmp_path, product).read_bytes()
    listed = clock.listed(Paths(tmp_path))
    assert [(server.url, server.ca) for server in listed] == [(each.url, each.ca) for each in product.time]
    assert len({server.url.rpartition(".")[0].rpartition(".")[2] for server in listed}) == len(listed) >= 4
    assert written(tmp_path, load("product")).read_bytes() == first


def test_the_fleet_and_all_that_are_listed_are_asked():
    assert len(load("product").time) + 1 <= MOST_TIME_SERVERS + 1 == clock.MOST


def test_the_test_image_asks_nobody_but_the_fleet(tmp_path):
    assert not written(tmp_path, load("test")).exists()
    assert clock.listed(Paths(tmp_path)) == ()


def test_a_server_given_makes_another_image(tmp_path):
    recipe = load("test")
    given = replace(recipe, time=[TimeServer("https://time.example.test:8443", "/usr/lib/omamori/time.pem")])
    assert written(tmp_path, given).exists()
    assert clock.listed(Paths(tmp_path))[0].ca == "/usr/lib/omamori/time.pem"
    version = Version.parse("1.0.0")
    keys = {system_stage(tmp_path / "base", Release(each, version)).key for each in (recipe, given, given)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    "table",
    [
        'servers = [{ url = "http://clear.example.test" }]',
        'servers = [{ url = "https://" }]',
        'servers = [{ url = "https://[::1" }]',
        'servers = [{ url = "https://me:secret@time.example.test" }]',
        'servers = [{ url = "https://time.example.test/now?x=1" }]',
        'servers = [{ url = "https://time.example.test", trust = "all" }]',
        "servers = [{ url = 7 }]",
        'servers = ["https://time.example.test"]',
        "servers = 7",
        "server = []",
        "servers = []\nagree = 1",
        "servers = [" + 7 * '{ url = "https://time.example.test" }, ' + "]",
    ],
)
def test_what_no_unit_could_ask_is_refused(tmp_path, table):
    common = (RECIPES / "common.toml").read_text()
    (tmp_path / "common.toml").write_text(common.replace("[time]\nservers = []", f"[time]\n{table}"))
    (tmp_path / "test.toml").write_text((RECIPES / "test.toml").read_text())
    with pytest.raises(RecipeError, match="recipe test"):
        load("test", tmp_path)
