from sketchcli import file_kinds


def test_hidden_files_and_other_files_are_no_pictures(tmp_path):
    names = ["a.png", "a.JPG", ".a.png", "._a.jpg", "a.txt", "png"]
    assert [n for n in names if file_kinds.is_picture(tmp_path / n)] == ["a.png", "a.JPG"]
