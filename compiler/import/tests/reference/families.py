"""Small networks with seeded weights in the layouts that families are published in, with what the reference libraries say.

    python families.py OUT

writes a directory for each network: the files that a user would have, and `reference.json` with inputs and outputs in double
precision. Made with torch 2.15, transformers 5.24, timm 1.0 and torchvision 0.29. Weights are larger than a fresh network's, so
that every tensor matters to the outputs.
"""

import json
import os
import sys

import torch
from safetensors.torch import load_file, save_file

OUT = sys.argv[1]
ONLY = sys.argv[2:]
torch.manual_seed(7)
TEXT = dict(vocab_size=24, max_position_embeddings=20, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=24)
IMAGE = dict(image_size=8, patch_size=4, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24)
IDS = [[2, 7, 11, 5, 19, 3, 0, 0], [2, 9, 4, 8, 6, 21, 13, 3]]
MASK = [[1, 1, 1, 1, 1, 1, 0, 0], [1] * 8]
SEGMENTS = [[0, 0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1]]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(19)]
PICTURES = [[[(x * 37 + y * 11 + c * 71 + s * 53) % 256 for x in range(8)] for y in range(8)] for s in range(2) for c in range(3)]
PICTURES = torch.tensor(PICTURES).reshape(2, 3, 8, 8)


def seeded(module):
    """Numbers that every tensor's name decides: gains near 1, everything else small."""
    with torch.no_grad():
        for name, tensor in list(module.named_parameters()) + list(module.named_buffers()):
            if not tensor.is_floating_point():
                continue
            generator = torch.Generator().manual_seed(sum(ord(c) * (i + 1) for i, c in enumerate(name)))
            drawn = (torch.rand(tensor.shape, generator=generator) - 0.5) * 0.6
            gain = name.endswith("weight") and ("norm" in name.lower() or ".ln" in name or "ln_" in name) or "lambda" in name
            tensor.copy_(drawn + (1.0 if gain else 0.0))
    return module.eval()


def record(place, inputs, outputs):
    listed = {name: value.double().reshape(value.shape[0], -1).tolist() for name, value in outputs.items()}
    rounded = {name: [[float(f"{v:.9g}") for v in row] for row in rows] for name, rows in listed.items()}
    with open(f"{place}/reference.json", "w") as file:
        json.dump({"inputs": inputs, "outputs": rounded}, file)


def small(place):
    """Half of what the library writes into a configuration is of no use here."""
    path = f"{place}/config.json"
    config = json.load(open(path))
    config = {key: value for key, value in config.items() if value is not None}
    json.dump(config, open(path, "w"), indent=1)


def wanted(name):
    return not ONLY or name in ONLY


def text(name, model, pick, padded=False):
    if not wanted(name):
        return
    place = f"{OUT}/{name}"
    os.makedirs(place, exist_ok=True)
    model = seeded(model)
    model.save_pretrained(place)
    small(place)
    arguments = dict(input_ids=torch.tensor(IDS), attention_mask=torch.tensor(MASK))
    inputs = {"ids": IDS, "mask": MASK}
    if getattr(model.config, "type_vocab_size", 0) > 1 and not padded and model.config.model_type != "mpnet":
        arguments["token_type_ids"] = torch.tensor(SEGMENTS)
        inputs["segments"] = SEGMENTS
    if padded:
        # Positions of RoBERTa are those of the tokens that are no padding, and padding has the number 1.
        ids = torch.tensor([[1 if m == 0 else i for i, m in zip(row, mask)] for row, mask in zip(IDS, MASK)])
        arguments["input_ids"] = ids
        inputs["ids"] = ids.tolist()
    with torch.no_grad():
        result = model.double()(**arguments)
    record(place, inputs, pick(result))


def tokenizer(place):
    with open(f"{place}/vocab.txt", "w") as file:
        file.write("\n".join(VOCABULARY) + "\n")


def picture(name, model, pick, preprocessor=None, call=None):
    if not wanted(name):
        return
    place = f"{OUT}/{name}"
    os.makedirs(place, exist_ok=True)
    model = seeded(model)
    model.save_pretrained(place)
    small(place)
    mean, std = [0.4, 0.5, 0.6], [0.25, 0.5, 0.2]
    said = preprocessor or {"do_resize": True, "size": {"height": 8, "width": 8}, "resample": 3, "do_rescale": True,
                            "rescale_factor": 0.00392156862745098, "do_normalize": True, "image_mean": mean, "image_std": std}
    json.dump(said, open(f"{place}/preprocessor_config.json", "w"))
    pixels = (PICTURES.double() / 255 - torch.tensor(mean).double()[:, None, None]) / torch.tensor(std).double()[:, None, None]
    with torch.no_grad():
        result = (call or (lambda m, p: m(pixel_values=p)))(model.double(), pixels)
    record(place, {"pixels": PICTURES.reshape(2, -1).tolist()}, pick(result))


def logits(result):
    return {"logits": result.logits}


def score(result):
    return {"score": result.logits}


def hidden(result):
    return {"hidden": result.last_hidden_state}


def pooled(result):
    return {"pooled": result.pooler_output}


def ends(result):
    return {"start": result.start_logits, "end": result.end_logits}


def texts():
    from transformers import (AlbertConfig, AlbertForSequenceClassification, AlbertModel, BertConfig,
                              BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, BertModel,
                              CamembertConfig, CamembertForSequenceClassification, DistilBertConfig,
                              DistilBertForQuestionAnswering, DistilBertForSequenceClassification,
                              DistilBertForTokenClassification, DistilBertModel, ElectraConfig,
                              ElectraForSequenceClassification, ElectraForTokenClassification, ElectraModel, MPNetConfig,
                              MPNetForSequenceClassification, MPNetModel, RobertaConfig, RobertaForQuestionAnswering,
                              RobertaForSequenceClassification, RobertaForTokenClassification, XLMRobertaConfig,
                              XLMRobertaForSequenceClassification)

    labels = dict(id2label={0: "bad", 1: "fair", 2: "good"}, label2id={"bad": 0, "fair": 1, "good": 2})
    bert = lambda **more: BertConfig(**TEXT, **more)
    text("bert-sequence", BertForSequenceClassification(bert(**labels)), logits)
    text("bert-regression", BertForSequenceClassification(bert(num_labels=1, problem_type="regression")), score)
    text("bert-several", BertForSequenceClassification(bert(**labels, problem_type="multi_label_classification")), logits)
    text("bert-tokens", BertForTokenClassification(bert(**labels)), logits)
    text("bert-answer", BertForQuestionAnswering(bert()), ends)
    text("bert-pooled", BertModel(bert()), pooled)
    text("bert-hidden", BertModel(bert(), add_pooling_layer=False), hidden)
    text("bert-silu", BertForSequenceClassification(bert(**labels, hidden_act="silu")), logits)
    text("bert-quick", BertForSequenceClassification(bert(**labels, hidden_act="quick_gelu")), logits)
    roberta = lambda kind: kind(**TEXT, type_vocab_size=1, pad_token_id=1, **labels)
    text("roberta-sequence", RobertaForSequenceClassification(roberta(RobertaConfig)), logits, padded=True)
    text("roberta-tokens", RobertaForTokenClassification(roberta(RobertaConfig)), logits, padded=True)
    unlabelled = RobertaConfig(**TEXT, type_vocab_size=1, pad_token_id=1)
    text("roberta-answer", RobertaForQuestionAnswering(unlabelled), ends, padded=True)
    text("xlm-roberta", XLMRobertaForSequenceClassification(roberta(XLMRobertaConfig)), logits, padded=True)
    text("camembert", CamembertForSequenceClassification(roberta(CamembertConfig)), logits, padded=True)
    shape = dict(vocab_size=24, max_position_embeddings=20, dim=16, n_layers=2, n_heads=2, hidden_dim=24)
    distil = DistilBertConfig(**shape, **labels)
    text("distilbert-sequence", DistilBertForSequenceClassification(distil), logits)
    text("distilbert-tokens", DistilBertForTokenClassification(distil), logits)
    text("distilbert-answer", DistilBertForQuestionAnswering(DistilBertConfig(**shape)), ends)
    text("distilbert-hidden", DistilBertModel(distil), hidden)
    electra = ElectraConfig(**TEXT, embedding_size=8, **labels)
    text("electra-sequence", ElectraForSequenceClassification(electra), logits)
    text("electra-tokens", ElectraForTokenClassification(electra), logits)
    text("electra-hidden", ElectraModel(electra), hidden)
    albert = AlbertConfig(**TEXT, embedding_size=8, hidden_act="gelu", **labels)
    text("albert-sequence", AlbertForSequenceClassification(albert), logits)
    text("albert-pooled", AlbertModel(albert), pooled)
    text("mpnet-sequence", MPNetForSequenceClassification(MPNetConfig(**TEXT, **labels)), logits, padded=True)
    text("mpnet-pooled", MPNetModel(MPNetConfig(**TEXT)), pooled, padded=True)
    for name, mean, unit in [("sentence-mean", True, True), ("sentence-first", False, False)]:
        sentence(name, BertModel(bert()), mean, unit)
    sentence("sentence-mpnet", MPNetModel(MPNetConfig(**TEXT)), True, True, padded=True)


def sentence(name, model, mean, unit, padded=False):
    """What Sentence-Transformers does after an encoder: pooling over the mask, and vectors of length 1."""
    if not wanted(name):
        return

    def vector(result):
        mask = torch.tensor(MASK).double()[:, :, None]
        x = result.last_hidden_state
        v = (x * mask).sum(1) / mask.sum(1) if mean else x[:, 0]
        return {"embedding": torch.nn.functional.normalize(v, dim=1) if unit else v}

    text(name, model, vector, padded)
    place = f"{OUT}/{name}"
    if not padded:
        tokenizer(place)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")] + ([("2_Normalize", "Normalize")] if unit else [])
    listed = [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
              for i, (path, kind) in enumerate(modules)]
    json.dump(listed, open(f"{place}/modules.json", "w"), indent=1)
    json.dump({"max_seq_length": 16, "do_lower_case": False}, open(f"{place}/sentence_bert_config.json", "w"))
    os.makedirs(f"{place}/1_Pooling", exist_ok=True)
    pooling = {"word_embedding_dimension": 16, "pooling_mode_cls_token": not mean, "pooling_mode_mean_tokens": mean,
               "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False}
    json.dump(pooling, open(f"{place}/1_Pooling/config.json", "w"))


def pictures():
    from transformers import (BeitConfig, BeitForImageClassification, DeiTConfig, DeiTForImageClassification,
                              DeiTForImageClassificationWithTeacher, Dinov2Config, Dinov2ForImageClassification, Dinov2Model,
                              ViTConfig, ViTForImageClassification, ViTMAEConfig, ViTMAEModel, ViTModel)

    labels = dict(id2label={0: "cat", 1: "dog", 2: "owl"}, label2id={"cat": 0, "dog": 1, "owl": 2})
    picture("vit", ViTForImageClassification(ViTConfig(**IMAGE, **labels)), logits)
    picture("vit-several", ViTForImageClassification(ViTConfig(**IMAGE, **labels, problem_type="multi_label_classification")), logits)
    picture("vit-hidden", ViTModel(ViTConfig(**IMAGE), add_pooling_layer=False), hidden)
    picture("deit", DeiTForImageClassification(DeiTConfig(**IMAGE, **labels)), logits)
    picture("deit-teacher", DeiTForImageClassificationWithTeacher(DeiTConfig(**IMAGE, **labels)), logits)
    dino = {key: value for key, value in IMAGE.items() if key != "intermediate_size"}
    picture("dinov2", Dinov2ForImageClassification(Dinov2Config(**dino, mlp_ratio=2, **labels)), logits)
    picture("dinov2-hidden", Dinov2Model(Dinov2Config(**dino, mlp_ratio=2)), hidden)
    larger = dict(dino, image_size=20)
    picture("dinov2-interpolated", Dinov2ForImageClassification(Dinov2Config(**larger, mlp_ratio=2, **labels)), logits)
    picture("beit", BeitForImageClassification(BeitConfig(**IMAGE, use_relative_position_bias=True, **labels)), logits)
    plain = BeitConfig(**IMAGE, use_absolute_position_embeddings=True, use_mean_pooling=False, **labels)
    picture("beit-absolute", BeitForImageClassification(plain), logits)
    noise = torch.arange(4).double()[None].repeat(2, 1)
    picture("vit-mae", ViTMAEModel(ViTMAEConfig(**IMAGE, mask_ratio=0.0)), hidden,
            call=lambda m, p: m(pixel_values=p, noise=noise))


def state_dicts():
    """What `torch.save(model.state_dict())` and safetensors write of timm's, torchvision's and PyTorch's own modules."""

    def save(name, model, forward, inputs, prefix="", legacy=False):
        if not wanted(name):
            return
        place = f"{OUT}/{name}"
        os.makedirs(place, exist_ok=True)
        state = {prefix + key: value.clone() for key, value in model.state_dict().items()}
        if legacy:
            torch.save({"epoch": 3, "state_dict": state}, f"{place}/checkpoint.pth")
        else:
            save_file(state, f"{place}/model.safetensors")
        with torch.no_grad():
            outputs = forward(model.double())
        record(place, inputs, outputs)

    if any(wanted(name) for name in ["timm-vit", "timm-deit", "timm-average"]):
        import timm.models.vision_transformer as vt
        from timm.models.deit import VisionTransformerDistilled

        pixels = PICTURES.double() / 255
        half = (pixels - 0.5) / 0.5
        mean, std = torch.tensor([0.485, 0.456, 0.406]).double(), torch.tensor([0.229, 0.224, 0.225]).double()
        imagenet = (pixels - mean[:, None, None]) / std[:, None, None]
        shape = dict(img_size=8, patch_size=4, embed_dim=16, depth=2, num_heads=2, mlp_ratio=1.5, num_classes=3)
        given = {"pixels": PICTURES.reshape(2, -1).tolist()}
        plain = seeded(vt.VisionTransformer(**shape))
        save("timm-vit", plain, lambda m: {"logits": m(half)}, given, prefix="module.")
        averaged = seeded(vt.VisionTransformer(**shape, global_pool="avg"))
        save("timm-average", averaged, lambda m: {"logits": m(half)}, given)
        distilled = seeded(VisionTransformerDistilled(**shape))
        save("timm-deit", distilled, lambda m: {"logits": m(imagenet)}, given, legacy=True)
    if wanted("torchvision-vit"):
        from torchvision.models.vision_transformer import VisionTransformer

        pixels = PICTURES.double() / 255
        mean, std = torch.tensor([0.485, 0.456, 0.406]).double(), torch.tensor([0.229, 0.224, 0.225]).double()
        imagenet = (pixels - mean[:, None, None]) / std[:, None, None]
        model = seeded(VisionTransformer(image_size=8, patch_size=4, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=24,
                                         num_classes=3))
        save("torchvision-vit", model, lambda m: {"logits": m(imagenet)}, {"pixels": PICTURES.reshape(2, -1).tolist()},
             legacy=True)
    for name, first in [("encoder", False), ("encoder-first", True)]:
        layer = torch.nn.TransformerEncoderLayer(16, 2, 24, batch_first=True, norm_first=first)
        norm = torch.nn.LayerNorm(16) if first else None
        model = seeded(torch.nn.TransformerEncoder(layer, 2, norm=norm, enable_nested_tensor=False))
        generator = torch.Generator().manual_seed(5)
        x = torch.rand((2, 6, 16), generator=generator).double() * 2 - 1
        save(name, model, lambda m: {"hidden": m(x)}, {"x": x.reshape(2, -1).tolist()}, prefix="_orig_mod.encoder.")


os.makedirs(OUT, exist_ok=True)
state_dicts()
texts()
pictures()
