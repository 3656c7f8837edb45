"""The list of notebooks: all that there are, in one place, and what their cells of parameters say."""
import papermill
import pytest

from nib_utils.apps.batch.books import BOOKS, NOTEBOOKS, REPRODUCE, choices, defaults


def test_the_list_is_of_the_notebooks_that_there_are():
    assert set(BOOKS) == {file.stem for file in NOTEBOOKS.glob("*.ipynb")}
    assert REPRODUCE[-1] == "report" and set(BOOKS) - set(REPRODUCE) == {"explorer", "train_mini", "shapley", "speed",
                                                                          "scaling"}


@pytest.mark.parametrize("name", BOOKS)
def test_parameters_are_those_that_papermill_sees(name):
    seen = papermill.inspect_notebook(str(NOTEBOOKS / f"{name}.ipynb"))
    assert list(defaults(name)) == list(seen)
    assert set(BOOKS[name].small) <= set(defaults(name)) and defaults(name)["results"] == "../results-lab"


def test_a_form_that_takes_other_input_offers_no_choice():
    assert choices("localization", "dataset") == ["shapes", "shapes-hard", "coco"] and choices("main_table", "broken") == ["skip", "raise"]
    assert choices("main_table", "dataset") == choices("theory", "n") == []
    assert defaults("no such notebook") == {}
