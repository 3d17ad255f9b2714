"""The user's files: what is read, and one line for everything that is wrong with them."""

import pickle

import numpy as np
import pytest
import torch

from steadygan.data import DATA, points
from steadygan.errors import InputError


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content, encoding="utf-8")
        return path

    return write


def refusal(path):
    with pytest.raises(InputError) as caught:
        points(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("expected")
    assert ", got " in message or "found" in message
    return message


X = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.uint8, ">f4"])
def test_npy(tmp_path, dtype):
    np.save(tmp_path / "x.npy", X.astype(dtype))
    source = points(tmp_path / "x.npy")
    assert source.name == "x.npy"
    assert source.shape == (3,)
    assert source.size == 4
    assert source.train.dtype == torch.float32
    np.testing.assert_array_equal(source.train.numpy(), X)
    assert source.sampler is None
    assert source.unseen is None


def test_npy_of_images_and_fortran_order(tmp_path):
    images = np.random.default_rng(0).normal(size=(5, 4, 3))
    np.save(tmp_path / "x.npy", np.asfortranarray(images))
    source = DATA["points"](path=str(tmp_path / "x.npy"))
    assert source.shape == (4, 3)
    np.testing.assert_array_equal(source.train.numpy(), images.astype(np.float32))


def test_npz_takes_the_first_array_with_samples_and_names_it(tmp_path):
    np.savez(tmp_path / "x.npz", weights=np.ones(4), points=X, others=2 * X)
    source = points(tmp_path / "x.npz")
    assert source.name == "x.npz:points"
    np.testing.assert_array_equal(source.train.numpy(), X)


@pytest.mark.parametrize(
    "text",
    [
        "0,1,2\n3,4,5\n6,7,8\n9,10,11\n",
        "a,b,c\n0,1,2\n3,4,5\n6,7,8\n9,10,11",
        "\ufeffx;y;z\r\n0;1;2\r\n3;4;5\r\n6;7;8\r\n9;10;11\r\n",
        "# made by hand\n\n0\t1\t2\n3\t4\t5\n\n6\t7\t8\n9\t10\t11\n",
        "0 1   2\n 3 4 5\n6 7 8\n9 10 11\n",
        '"x","y","z"\n"0","1","2"\n3, 4.0, 5e0\n+6,7.,.8e1\n9,10,11\n',
    ],
)
def test_csv(file, text):
    source = points(file("x.csv", text))
    assert source.name == "x.csv"
    np.testing.assert_array_equal(source.train.numpy(), X)


def test_csv_of_one_column_keeps_two_axes(file):
    assert points(file("x.csv", "height\n1.5\n2.5\n")).train.tolist() == [[1.5], [2.5]]


def test_csv_written_by_numpy_reads_back_exactly(tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", header="a,b,c")
    np.testing.assert_array_equal(points(tmp_path / "x.csv").train.numpy(), x)


def test_text_in_a_csv_names_line_and_column(file):
    message = refusal(file("x.csv", "a,b\n1,2\n\n3,four\n"))
    assert "x.csv" in message
    assert "line 4, column 2" in message
    assert "'four'" in message


@pytest.mark.parametrize("cell", ["", "1_000", "1.2.3", "0x10", "n/a", "NA", "\u0661", "z" * 500])
def test_cells_that_are_no_numbers(file, cell):
    message = refusal(file("x.csv", f"1,2\n3,{cell}\n"))
    assert "line 2, column 2" in message
    assert len(message) < 200


@pytest.mark.parametrize("text", ["1,5;2\n3;-4,25\n", "1,5\t2\n3\t-4,25\n"])
def test_decimal_commas(file, text):
    source = points(file("x.csv", text))
    assert source.train.tolist() == [[1.5, 2.0], [3.0, -4.25]]
    assert source.notes == ("x.csv: 2 points of 2 numbers; decimal commas",)


def test_decimal_commas_where_they_could_be_something_else(file):
    assert "got '1,234'" in refusal(file("x.csv", '"1,234","5"\n'))  # a thousand
    assert "got '1.234,5'" in refusal(file("x.csv", "1.234,5;2\n"))
    assert "both, the others from line 2 on" in refusal(file("x.csv", "1,5;2\n3.5;4\n"))


def test_a_header_may_stand_only_on_top_and_a_first_line_half_text_is_no_header(file):
    assert "line 2" in refusal(file("x.csv", "1,2\na,b\n"))
    assert "line 2" in refusal(file("x.csv", "a,b\nc,d\n1,2\n"))
    assert "line 1, column 1" in refusal(file("x.csv", "id,2.5\n1,2\n"))
    assert "line 1, column 2" in refusal(file("x.csv", "1,NA\n1,2\n"))


ROWS = [[0.5, 1.25], [2.0, 3.75], [4.0, 5.125]]


@pytest.mark.parametrize(
    ("text", "columns", "done"),
    [
        ("x,y\n0.5,1.25\n2.0,3.75\n4.0,5.125\n", "x y", ""),  # pandas, index=False
        ("0,1\n0.5,1.25\n2.0,3.75\n4.0,5.125\n", "0 1", ""),  # without names
        ("2019,2020\n0.5,1.25\n2.0,3.75\n4.0,5.125\n", "2019 2020", ""),
        (",x,y\n0,0.5,1.25\n1,2.0,3.75\n2,4.0,5.125\n", "x y", "the row names, is left out"),  # with its index
        (",0,1\n0,0.5,1.25\n1,2.0,3.75\n2,4.0,5.125\n", "0 1", "the row names, is left out"),
        ("Unnamed: 0,x,y\n7,0.5,1.25\n3,2.0,3.75\n5,4.0,5.125\n", "x y", "the row names, is left out"),
        ("Index,x,y\n1,0.5,1.25\n2,2.0,3.75\n3,4.0,5.125\n", "x y", "the row numbers, is left out"),
        ('"","x","y"\n"a",0.5,1.25\n"b",2,3.75\n"c",4,5.125\n', "x y", "the row names, is left out"),  # R, write.csv
        ('"2019","2020"\n0.5,1.25\n2,3.75\n4,5.125\n', "2019 2020", ""),  # without row names
        ('"x" "y"\n"1" 0.5 1.25\n"2" 2 3.75\n"3" 4 5.125\n', "x y", "the row names, is left out"),  # R, write.table
        ('"x";"y, m"\n0,5;1,25\n2;3,75\n4;5,125\n', "x|y, m", "decimal commas"),  # R, write.csv2
        ("site,2019\n0.5,1.25\n2,3.75\n4,5.125\n", "site 2019", ""),
        ("# x,y\n0.5,1.25\n2,3.75\n4,5.125\n", "x y", ""),  # NumPy, header=
    ],
)
def test_tables_as_others_write_them(file, text, columns, done):
    source = points(file("x.csv", text))
    assert source.train.tolist() == ROWS
    assert source.columns == tuple(columns.split("|" if "|" in columns else None))
    assert source.notes[0].startswith(f"x.csv: 3 points of 2 numbers, columns {', '.join(source.columns)}")
    assert done in source.notes[0]
    assert len(source.notes) == 1


def test_a_header_of_years_over_whole_numbers(file):
    source = points(file("x.csv", "2019,2020\n5,9\n7,2\n3,4\n"))
    assert (source.size, source.columns) == (3, ("2019", "2020"))


def test_a_first_line_that_may_be_a_header_is_pointed_out(file):
    source = points(file("x.csv", "0,1\n-3,5\n2,-7\n1,1\n"))
    assert source.size == 4
    assert "line 1 of x.csv (0, 1) is read as a sample" in source.notes[1]


def test_a_column_that_numbers_the_rows_is_pointed_out(file):
    source = points(file("x.csv", "t,x\n1,0.5\n2,1.5\n3,0.25\n"))
    assert source.shape == (2,)
    assert "first column of x.csv numbers the rows" in source.notes[1]


def test_missing_cells_are_counted(file):
    message = refusal(file("x.csv", "x,y\n1,2\n3,NA\n,\n5,6\n7,nan\n"))
    assert "line 3, column 2 (y), got 'NA', and 2 more lines lack numbers" in message


UTM = np.array([5.4e6, 3.2e5]) + np.random.default_rng(0).normal(size=(2000, 2)) * [20.0, 5.0]


@pytest.mark.parametrize(
    "x",
    [
        UTM,
        1.7e9 + UTM[:, :1] % 97,  # seconds since 1970
        2460000.5 + np.arange(400)[:, None] / 24,  # Julian days
        (1.7e18 + np.arange(500)[:, None] * 1e9).astype(np.int64),  # nanoseconds
    ],
    ids=["metres", "seconds", "days", "nanoseconds"],
)
@pytest.mark.parametrize("ending", [".npy", ".csv"])
def test_numbers_far_from_zero_are_centred_before_they_lose_their_digits(tmp_path, x, ending):
    path = tmp_path / f"x{ending}"
    np.save(path, x) if ending == ".npy" else np.savetxt(
        path, x, delimiter=",", fmt="%d" if x.dtype.kind == "i" else "%.17g"
    )
    source = points(path).standardised()
    assert source.train.dtype == torch.float32
    for column in range(x.shape[1]):
        assert len(source.train[:, column].unique()) == len(np.unique(x[:, column]))
    back = source.to("cpu").restore(source.train)
    assert back.dtype == torch.float64
    assert np.abs(back.numpy() - x).max() <= 1e-6 * x.std(0).max()
    assert not [note for note in source.to("cpu").notes if "keeps" in note]


def test_numbers_that_are_not_centred_are_told_what_they_lose(file):
    told = points(file("x.csv", "e,n\n" + "\n".join(f"{a!r},{b!r}" for a, b in UTM.tolist()))).to("cpu").notes[-1]
    assert "float32 keeps" in told
    assert "of 2,000 different values of e: standardise" in told


@pytest.mark.parametrize("x", [np.array([[2**53 + 1], [3]]), np.array([[2**62 + 1], [2**61]])])
def test_whole_numbers_beyond_float64_are_pointed_out(tmp_path, x):
    np.save(tmp_path / "x.npy", x)
    np.savetxt(tmp_path / "x.csv", x, fmt="%d")
    for name in ("x.npy", "x.csv"):
        assert any("2^53 lost precision" in note for note in points(tmp_path / name).notes)


def test_ordinary_numbers_keep_their_bits(tmp_path):
    x = np.random.default_rng(0).normal(10.0, 0.5, (100, 3))
    np.save(tmp_path / "x.npy", x)
    single = torch.from_numpy(x.astype(np.float32))
    source = points(tmp_path / "x.npy").standardised()
    assert torch.equal(source.train, (single - single.mean(0)) / single.std(0, correction=0))
    assert source.offset.dtype == torch.float32


def test_constant_and_repeated_points_are_pointed_out(file):
    (_, same) = points(file("x.csv", "3,2\n" * 4)).notes
    assert same == "all 4 samples are the same"
    constant = points(file("x.csv", "x,y,z\n1,2,5\n2,2,5\n3.5,2,5\n")).notes[1]
    assert constant == "columns y, z never change"
    assert "only 2 of 4 samples are distinct" in points(file("x.csv", "7,2\n2,4\n" * 2)).notes[1]
    assert len(points(file("x.csv", "1,3\n2,4\n5,1\n2,3\n")).notes) == 1


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "1e999"])
def test_values_that_are_not_finite_name_the_line(file, value):
    assert "line 3, column 2" in refusal(file("x.csv", f"a,b\n1,2\n3,{value}\n"))


def test_ragged_csv_names_the_line(file):
    message = refusal(file("x.csv", "a,b,c\n1,2,3\n4,5,6\n7,8\n"))
    assert "3 columns" in message
    assert "line 2" in message
    assert "got 2 in line 4" in message


@pytest.mark.parametrize("text", ["", "\n\n", "x,y\n", "# only a comment\n"])
def test_csv_without_samples(file, text):
    assert "lines of numbers" in refusal(file("x.csv", text))


def test_csv_of_bytes(file):
    assert "UTF-8" in refusal(file("x.csv", b"1,2\n\xff\xfe\x00,3\n"))


def test_csv_with_a_broken_quote(file):
    refusal(file("x.csv", '1,2\n3,"4\x00\n'))


def test_pickled_arrays_are_refused_and_never_run(tmp_path, file):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    assert "pickle" in refusal(tmp_path / "x.npy")

    class Evil:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was run",))

    assert "pickle" in refusal(file("evil.npy", pickle.dumps(Evil())))
    np.savez(tmp_path / "x.npz", a=np.array([[Evil()]], dtype=object))
    assert "pickle" in refusal(tmp_path / "x.npz")


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_empty_files(file, name):
    assert "empty file" in refusal(file(name, b""))


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_files_that_are_something_else(file, name):
    refusal(file(name, b"hello, I am text and not an array at all"))


@pytest.mark.parametrize(("name", "save"), [("x.npy", np.save), ("x.npz", np.savez)])
def test_damaged_files(tmp_path, name, save):
    save(tmp_path / name, X)
    content = bytearray((tmp_path / name).read_bytes())
    content[8:40] = b"?" * 32  # inside the header
    (tmp_path / name).write_bytes(bytes(content))
    assert name in refusal(tmp_path / name)


def test_damaged_compressed_archive(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", np.random.default_rng(0).normal(size=(200, 3)))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[200:400] = bytes(200)
    (tmp_path / "x.npz").write_bytes(bytes(content))
    refusal(tmp_path / "x.npz")


@pytest.mark.parametrize(("name", "save"), [("x.npy", np.save), ("x.npz", np.savez)])
def test_truncated_files(tmp_path, name, save):
    save(tmp_path / name, np.ones((100, 3)))
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    assert name in refusal(tmp_path / name)


def test_an_array_called_npz_and_an_archive_called_npy(tmp_path):
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    assert "another format" in refusal(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", X)
    (tmp_path / "y.npz").rename(tmp_path / "y.npy")
    refusal(tmp_path / "y.npy")


def test_npz_without_samples_lists_what_is_there(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.ones(3), b=np.float64(2.0))
    message = refusal(tmp_path / "x.npz")
    assert "a (3,)" in message
    np.savez(tmp_path / "none.npz")
    assert "no array" in refusal(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.ones(5), r"(n, 1)"),
        (np.float64(3.0), "()"),
        (np.ones((0, 3)), "(0, 3)"),
        (np.ones((3, 0)), "(3, 0)"),
        (np.ones((3, 2), dtype=complex), "complex128"),
        (np.array([["a", "b"]]), "dtype"),
        (np.array([["2020-01-01"]], dtype="datetime64[D]"), "dtype"),
    ],
)
def test_arrays_of_the_wrong_kind(tmp_path, array, said):
    np.save(tmp_path / "x.npy", array)
    message = refusal(tmp_path / "x.npy")
    assert said in message
    assert "x.npy" in message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e60])
def test_rows_that_are_not_finite_are_named_and_counted(tmp_path, value):
    x = np.ones((6, 2))
    x[3, 1] = x[5, 0] = value  # 1e60: finite in float64 and infinite in float32
    np.save(tmp_path / "x.npy", x)
    message = refusal(tmp_path / "x.npy")
    assert "row 3" in message
    assert "2 of 6 rows" in message


@pytest.mark.parametrize("name", ["x.txt", "x", "x.npy.gz", "x.pt"])
def test_other_endings(file, name):
    assert ".npy, .npz or .csv" in refusal(file(name, "1,2\n"))


def test_missing_file_and_folder(tmp_path):
    assert "nothing.csv" in refusal(tmp_path / "nothing.csv")
    (tmp_path / "folder.csv").mkdir()
    refusal(tmp_path / "folder.csv")


def test_upper_case_endings(file):
    assert points(file("X.CSV", "1,2\n3,4\n")).size == 2
