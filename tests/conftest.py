"""Options of the whole suite."""


def pytest_addoption(parser):
    parser.addoption("--screenshots", action="store_true", help="write docs/guides/screenshots/*.png")
