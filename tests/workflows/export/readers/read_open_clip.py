"""open_clip_train's data loader in training mode, number of samples from sizes.json: SHARDS [JSON-TEXT-KEY [WEIGHTS]].

Batches of one, so that an epoch is every sample once; the tokenizer gives the bytes of a text, so that texts come back.
open_clip asks for webdataset 0.2.86 at most: its training mode fails on any shard with later ones (KeyError: 'fname', from the
end marks that webdataset then puts between shards). Beside such a one its validation mode reads, which takes no such marks.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import torch
from open_clip_train.data import get_wds_dataset
from told import tars, tell

folder, keys, weights = (*sys.argv[1:], None, None)[:3]
last = Path(tars(folder)[-1]).stem
urls = f"{folder}/{{00000000..{last}}}.tar" if int(last) else f"{folder}/{last}.tar"
train = tuple(map(int, version("webdataset").split("."))) <= (0, 2, 86)
args = SimpleNamespace(
    train_data=urls,
    val_data=urls,
    val_num_samples=None,
    dataset_resampled=False,
    train_num_samples=None,
    train_data_upsampling_factors=None,
    batch_size=1,
    workers=0,
    world_size=1,
    seed=0,
    json_text_key=keys,
    json_text_key_probs=[float(weight) for weight in weights.split(",")] if weights else None,
)


def size_of(image):
    return torch.tensor(image.size)


def bytes_of(text):
    return [torch.tensor(list((text if isinstance(text, str) else text[0]).encode()))]


def text_of(tokens):
    return bytes(tokens[0].tolist()).decode()


loader = get_wds_dataset(args, size_of, is_train=train, tokenizer=bytes_of).dataloader
batches = [(batch["image"], batch["text"]) if isinstance(batch, dict) else batch for batch in loader]
tell(
    "open_clip_torch webdataset torch",
    [{"text": text_of(texts), **({} if keys else {"size": sizes[0].tolist()})} for sizes, texts in batches],
)
