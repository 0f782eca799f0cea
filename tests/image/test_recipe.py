"""Recipes: what they say, how they extend each other, and what is refused."""

from dataclasses import replace

import pytest

from omamori.image.errors import RecipeError
from omamori.image.recipe import Recipe, load, merged, variants


def test_each_variant_loads_and_has_what_every_unit_needs():
    for variant in variants():
        recipe = load(variant)
        assert recipe.kernel in recipe.packages
        assert {"systemd", "systemd-boot", "nftables", "python3", "ieee-data"} <= set(recipe.packages)
        assert "omamori-bridge.service" in recipe.enable
        assert 1 <= recipe.tries <= 9


def test_customers_get_no_way_in_and_a_slot_three_tries():
    product, test = load("product"), load("test")
    assert "openssh-server" in test.packages
    assert "openssh-server" in product.packages, "for the holder of a support key (decision 0029)"
    assert [name for name in product.enable if "ssh" in name] == [], "and started by nothing else"
    assert {"etc/ssh*", "usr/lib/systemd/system/ssh*", "root/.ssh*"} <= set(product.forbidden)
    assert [name for name in test.enable if "support" in name] == []
    assert "test" not in product.templates
    assert (product.tries, test.tries) == (3, 1)
    assert (product.compression, test.compression) == (15, 3)


def test_a_corrupt_or_stuck_root_ends_in_a_restart_not_in_a_shell():
    words = load("product").command_line
    assert {
        "panic=3",
        "rd.shell=0",
        "rd.emergency=reboot",
        "systemd.verity_root_options=panic-on-corruption",
    } <= set(words)


def test_the_data_partition_is_checked_and_mended_at_each_start_and_nobody_is_asked():
    assert {"fsck.mode=force", "fsck.repair=yes"} <= set(load("product").command_line)


def test_a_product_takes_no_orders_from_what_nobody_signed():
    assert "systemd.import_credentials=no" in load("product").command_line


def test_what_tests_boot_in_its_place_differs_from_the_product_by_one_word():
    product, emulated = load("product"), load("emulated")
    assert emulated.command_line == [*product.command_line, "no_timer_check"]
    named = {name: getattr(product, name) for name in ("variant", "description", "boot")}
    assert replace(emulated, **named) == product


def test_a_product_that_hangs_is_reset_by_its_hardware_from_the_initrd_on():
    recipe = load("product")
    assert "systemd.watchdog_sec=60" in recipe.command_line
    assert {"iTCO_wdt", "sp5100_tco", "wdat_wdt"} <= set(recipe.initrd["drivers"])


def test_lists_join_tables_merge_values_replace():
    below = {"list": [1, 2], "table": {"a": 1, "b": [1]}, "value": 1}
    above = {"list": [2, 3], "table": {"b": [2]}, "value": 2}
    assert merged(below, above) == {"list": [1, 2, 3], "table": {"a": 1, "b": [1, 2]}, "value": 2}
    assert below["list"] == [1, 2]


def test_an_unknown_variant_names_those_there_are():
    with pytest.raises(RecipeError, match="product, radio, test"):
        load("nonsense")


def test_unknown_and_missing_keys_are_named(tmp_path):
    (tmp_path / "odd.toml").write_text('suite = "trixie"\ncolour = "red"\n')
    with pytest.raises(RecipeError, match="colour"):
        load("odd", tmp_path)


def test_a_recipe_that_is_no_toml_is_refused(tmp_path):
    (tmp_path / "odd.toml").write_text("suite = \x00")
    with pytest.raises(RecipeError, match="recipe odd"):
        load("odd", tmp_path)


def test_broken_firmware_says_why():
    recipe: Recipe = load("test")
    assert set(recipe.broken) == {"blind", "engine", "panic"}
    assert all(broken.why for broken in recipe.broken.values())
