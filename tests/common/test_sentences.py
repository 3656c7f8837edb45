"""An unknown name is told with the one that it is nearest to, where there is such a one."""
from nib_utils.common.sentences import lacks, nobody


def test_the_nearest_is_named():
    assert nobody("method", "nob", ["nib", "m2ib"]) == "no method is called 'nob' (did you mean 'nib'?); there are nib, m2ib."
    assert lacks("nib", "option", "step", {"layer": 1, "steps": 2}) == (
        "nib has no option 'step' (did you mean 'steps'?); it has layer, steps.")


def test_nothing_is_guessed_where_nothing_is_near():
    assert nobody("method", "lime", ["nib", "m2ib"]) == "no method is called 'lime'; there are nib, m2ib."
    assert nobody("method", ["nib"], ["nib"]) == "no method is called ['nib']; there are nib."
    assert lacks("chefer", "option", "layer", []) == "chefer has no option 'layer'; it has none."
    assert nobody("notebook", "x", []) == "no notebook is called 'x'; there are none here."
