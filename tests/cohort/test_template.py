from scantune.cohort.template import fields, fill


def test_whole_numbers_are_filled_up_with_zeros_where_the_template_asks_for_it():
    cells = {"image ID": "7", "visit": "2.0", "site": "b"}
    assert fill("{image ID:03d}_{visit:02d}_{site:02d}.png", cells) == "007_02_b.png"
    assert fill("{image ID}_{visit}.png", cells) == "7_2.0.png"
    assert fields("lab/{image ID:03d}_{visit}.png") == ["image ID", "visit"]
