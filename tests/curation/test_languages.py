"""The map from labels and list codes to metadata sets."""

import csv
import io
from pathlib import Path

import fasttext
import pytest
from hypothesis import given
from hypothesis import strategies as st

import curation.languages
from curation.langid import LABEL, default_model
from curation.languages import CODES, LABELS, OTHER, RELATIVES, candidates, set_of_code
from curation.metadata import MetadataSets

#: The codes of Wikipedia's language editions, `_` for `-`.
WIKIPEDIAS = """
aa ab ace ady af ak als alt am ami an ang ann anp ar arc ary arz as ast atj av avk awa ay az azb ba ban bar bat_smg bbc bcl bdr
be be_x_old be_tarask bew bg bh bi bjn blk bm bn bo bpy br bs btm bug bxr ca cbk_zam cdo ce ceb ch cho chr chy ckb co cr crh cs
csb cu cv cy da dag de dga din diq dsb dtp dty dv dz ee el eml en eo es et eu ext fa fat ff fi fiu_vro fj fo fon fr frp frr fur fy
ga gag gan gcr gd gl glk gn gom gor got gpe gsw gu guc gur guw gv ha hak haw he hi hif ho hr hsb ht hu hy hyw hz ia iba id ie ig
igl ii ik ilo inh io is it iu ja jam jbo jv ka kaa kab kaj kbd kbp kcg kg kge ki kj kk kl km kn knc ko koi kr krc ks ksh ku kus kv
kw ky la lad lb lbe lez lfn lg li lij lld lmo ln lo lrc lt ltg lv lzh mad mai map_bms mdf mg mh mhr mi min mk ml mn mni mnw mo mos
mr mrj ms mt mus mwl my myv mzn na nah nan nap nds nds_nl ne new ng nia nl nn no nov nqo nr nrm nso nup nv ny oc olo om or os pa
pag pam pap pcd pcm pdc pfl pi pih pl pms pnb pnt ps pt pwn qu rki rm rmy rn ro roa_rup roa_tara rsk ru rue rup rw sa sah sat sc
scn sco sd se sg sgs sh shi shn si simple sk skr sl sm smn sn so sq sr srn ss st stq su sv sw syl szl szy ta tay tcy tdd te tet tg
th ti tig tk tl tly tn to tok tpi tr trv ts tt tum tw ty tyv udm ug uk ur uz ve vec vep vi vls vo vro wa war wo wuu xal xh xmf yi
yo yue za zea zgh zh zh_classical zh_min_nan zh_yue zu
"""


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("en", "en"),
        ("pt_BR", "pt"),
        ("sr-Latn", "sr"),
        ("zh_classical", "zh"),
        ("zh_yue", "zh"),
        ("yue", "zh"),
        ("zh_min_nan", OTHER),
        ("zh-Hant-HK", "zh"),
        ("simple", "en"),
        ("fil", "tl"),
        ("nb", "no"),
        ("be_x_old", "be"),
        ("map_bms", "jv"),
        ("roa_rup", OTHER),
        ("roa_tara", "nap"),
        ("az_Arab_IQ", "azb"),
        ("az_Cyrl", OTHER),
        ("pa_Guru", "pa"),
        ("ha_NE", OTHER),
        (OTHER, OTHER),
        ("", OTHER),
        ("_", OTHER),
        ("🐱", OTHER),
    ],
)
def test_the_set_that_a_list_joins(code, name):
    assert set_of_code(code) == name


def test_the_labels_are_the_models():
    labels = {label.removeprefix(LABEL) for label in fasttext.load_model(str(default_model())).get_labels()}
    assert labels == LABELS and len(LABELS) == 176


def test_the_tables_hold_together_and_give_a_reason_for_every_line():
    for name, known in (("codes.tsv", CODES), ("labels.tsv", RELATIVES)):
        text = (Path(curation.languages.__file__).parent / name).read_text(encoding="utf-8")
        rows = list(csv.reader(io.StringIO(text), delimiter="\t"))[3:]
        assert [row[0] for row in rows] == sorted(known) and len(rows) == len(known)
        assert all(len(row) == 3 and row[2].strip() for row in rows)
    assert set(CODES.values()) <= LABELS | {OTHER}
    assert CODES.keys() & LABELS == {"wuu", "yue"}
    assert RELATIVES.keys() | {name for names in RELATIVES.values() for name in names} <= LABELS


def test_every_wikipedia_has_a_line_or_is_a_label():
    codes = WIKIPEDIAS.split()
    assert len(codes) > 340
    stems = {code: code.partition("_")[0] for code in codes}
    assert [code for code in codes if code not in CODES and stems[code] not in LABELS] == []


@given(
    st.one_of(st.none(), st.text(st.characters(exclude_categories=())), st.sampled_from(sorted(LABELS | CODES.keys())))
)
def test_no_label_and_no_code_fails(label):
    sets = MetadataSets({"en": ["cat"], "de": ["Katze"], "other": ["x"]})
    assert sets.set_of(label) in sets.names
    assert set_of_code(label or "") in LABELS | {OTHER}


def test_labels_without_a_set_take_a_relatives(tmp_path):
    sets = MetadataSets({"en": ["cat"], "de": ["Katze"], "zh": ["猫"], "sr": ["мачка"]})
    served = {name: {label for label in LABELS if sets.set_of(label) == name} for name in (*sets.names, OTHER)}
    assert served["zh"] == {"zh", "wuu", "yue"}
    assert served["de"] == {"de", "als", "bar", "pfl"}
    assert served["sr"] == {"sr", "sh", "bs"}
    assert served["en"] == {"en", "sco"}
    assert {"fr", "no"} < served[OTHER]
    assert candidates("sh") == ("sh", "hr", "sr", "bs") and candidates("xx") == ("xx",) and candidates(None) == ()


def test_a_set_of_its_own_goes_before_a_relatives():
    assert MetadataSets({"ur": ["x"], "pnb": ["y"]}).set_of("pnb") == "pnb"
    assert MetadataSets({"bs": ["mačka"], "sr": ["мачка"], "hr": ["maca"]}).set_of("sh") == "hr"
