"""What people call the columns of a table of pictures and questions, in the languages that hospitals write in."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal, get_args

Role = Literal[
    "image",
    "question",
    "answer",
    "options",
    "id",
    "patient",
    "split",
    "modality",
    "label",
    "report",
    "answer_type",
]
ROLES: tuple[Role, ...] = get_args(Role)

_WORDS: Mapping[Role, Mapping[str, str]] = {
    "image": {
        "en": "image, images, img, imgs, picture, pictures, pic, photo, photos, image path, image file, image name, img path, "
        "img name, image id, file, files, file name, filename, filepath, path, figure, dicom, dcm, dicom file, scan, slide",
        "de": "bild, bilder, bilddatei, bildname, bildpfad, datei, dateiname, dateipfad, pfad, aufnahme, roentgenbild, foto",
        "fr": "image, images, fichier, nom fichier, nom du fichier, fichier image, chemin, photo, cliche",
        "es": "imagen, imagenes, archivo, fichero, nombre archivo, nombre de archivo, ruta, ruta imagen, foto",
        "it": "immagine, immagini, nome file, percorso",
        "pt": "imagem, imagens, arquivo, ficheiro, caminho",
        "zh": "图像, 图片, 影像, 图, 照片, 图像路径, 图片路径, 影像路径, 图像文件, 图片文件, 文件, 文件名, 路径",
    },
    "question": {
        "en": "question, questions, query, prompt, instruction, question text, q, user",
        "de": "frage, fragen, fragestellung, fragetext",
        "fr": "question, questions, consigne, demande",
        "es": "pregunta, preguntas, consulta",
        "it": "domanda, domande",
        "pt": "pergunta, perguntas",
        "zh": "问题, 提问, 问, 题目, 指令",
    },
    "answer": {
        "en": "answer, answers, response, output, reply, ground truth, groundtruth, gt, gold, gt answer, correct answer, "
        "answer text, solution, a, assistant",
        "de": "antwort, antworten, loesung, richtige antwort, antworttext",
        "fr": "reponse, reponses, solution, bonne reponse",
        "es": "respuesta, respuestas, respuesta correcta, solucion",
        "it": "risposta, risposte",
        "pt": "resposta, respostas",
        "zh": "答案, 回答, 答, 正确答案, 参考答案, 标准答案",
    },
    "options": {
        "en": "options, choices, candidates, answer options, answer choices",
        "de": "optionen, auswahl, antwortmoeglichkeiten, moeglichkeiten",
        "fr": "options, choix",
        "es": "opciones, alternativas",
        "it": "opzioni",
        "pt": "opcoes, alternativas",
        "zh": "选项, 候选, 候选答案",
    },
    "id": {
        "en": "id, uid, qid, question id, sample id, row id, item id, index, idx, nr, no, number",
        "de": "id, nummer, lfd nr, laufende nummer, fragenummer, zeile",
        "fr": "id, identifiant, numero",
        "es": "id, identificador, numero",
        "it": "id, identificativo",
        "pt": "id, identificador",
        "zh": "编号, 序号, 题号",
    },
    "patient": {
        "en": "patient, patient id, patientid, patient no, patient number, patient name, subject, subject id, person, "
        "person id, pid, mrn, case, case id, study, study id, study instance uid, participant, participant id, anon id",
        "de": "patient, patientin, patienten id, patientennummer, patientennr, patienten nr, patnr, pat nr, pat id, pat, "
        "fall, fallnummer, fall id, fallnr, proband, studie",
        "fr": "patient, patiente, id patient, numero patient, numero de patient, patient numero, dossier, ipp, sujet, cas",
        "es": "paciente, id paciente, numero paciente, numero de paciente, nhc, historia, historia clinica, expediente, "
        "caso, sujeto",
        "it": "paziente, id paziente, caso",
        "pt": "paciente, id paciente, prontuario, caso",
        "zh": "患者, 患者id, 患者编号, 病人, 病人id, 病人编号, 病例, 病例号, 病例id, 住院号, 受试者",
    },
    "split": {
        "en": "split, splits, set, subset, partition, dataset split, data split, phase",
        "de": "aufteilung, teilmenge, teilung",
        "fr": "ensemble, partition, jeu",
        "es": "particion, conjunto, division",
        "it": "partizione, insieme",
        "pt": "particao, conjunto",
        "zh": "划分, 数据划分, 子集, 集合",
    },
    "modality": {
        "en": "modality, modalities, imaging modality, image modality, image type, imaging",
        "de": "modalitaet, bildgebung, verfahren",
        "fr": "modalite, imagerie",
        "es": "modalidad",
        "it": "modalita",
        "pt": "modalidade",
        "zh": "模态, 影像模态, 检查方式, 检查类型, 影像类型",
    },
    "label": {
        "en": "label, labels, class, classes, class name, category, categories, diagnosis, diagnoses, dx, target, finding, "
        "disease, pathology",
        "de": "klasse, kategorie, diagnose, etikett, krankheit, label",
        "fr": "classe, etiquette, categorie, diagnostic, maladie",
        "es": "clase, etiqueta, categoria, diagnostico, enfermedad",
        "it": "classe, etichetta, diagnosi, categoria",
        "pt": "classe, rotulo, diagnostico, categoria",
        "zh": "标签, 类别, 诊断, 分类, 疾病, 类",
    },
    "report": {
        "en": "report, reports, report text, findings, impression, caption, captions, description, text, narrative",
        "de": "befund, befunde, befundtext, bericht, beschreibung, beurteilung, text",
        "fr": "rapport, compte rendu, description, legende, conclusion, texte",
        "es": "informe, descripcion, leyenda, hallazgos, conclusion, texto",
        "it": "referto, descrizione, didascalia",
        "pt": "laudo, relatorio, descricao, legenda",
        "zh": "报告, 描述, 所见, 影像所见, 报告内容, 诊断意见, 说明",
    },
    "answer_type": {
        "en": "answer type, question type, qtype, type of answer, type of question",
        "de": "antworttyp, fragetyp",
        "fr": "type de reponse, type de question",
        "es": "tipo de respuesta, tipo de pregunta",
        "it": "tipo di risposta",
        "pt": "tipo de resposta",
        "zh": "答案类型, 问题类型",
    },
}
"""Role -> language -> names, each as `spelt` leaves it."""

SPLITS: Mapping[str, str] = {
    **dict.fromkeys(
        ("train", "training", "trn", "fit", "entrenamiento", "entrainement", "lernen", "训练", "训练集"),
        "train",
    ),
    **dict.fromkeys(
        (
            "val",
            "valid",
            "validation",
            "dev",
            "validierung",
            "validacion",
            "eval",
            "验证",
            "验证集",
            "held out",
            "holdout",
        ),
        "held_out",
    ),
    **dict.fromkeys(("test", "testing", "tst", "prueba", "测试", "测试集"), "test"),
}
"""What people call a split, and what it is called here."""

_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "œ": "oe", "æ": "ae"})


def spelt(name: str) -> str:
    """A column's name for comparison: lower case, camelCase and punctuation cut into words, accents taken off."""
    text = (
        unicodedata.normalize("NFC", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).casefold().translate(_LETTERS)
    )
    bare = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return " ".join(re.findall(r"[^\W_]+", bare))


def meant(role: Role, name: str) -> int:
    """How well a column's name fits a role: 2 where it is one of the words, 1 where one stands in it, 0 where none does.

    A number at its end does not count: image1 and image2 are images.
    """
    words = _bare(name)
    known = _known()[role]
    if words in known:
        return 2
    parts = words.split()
    runs = (
        " ".join(parts[start:end]) for start in range(len(parts)) for end in range(start + 1, len(parts) + 1)
    )
    return int(any(run in known for run in runs if len(run) > 2 or not run.isascii()))


def language(names: Iterable[str]) -> str:
    """The language that most columns are named in; empty where none is told by them, as by names that several share."""
    found: Counter[str] = Counter()
    for name in names:
        words = _bare(name)
        tongues = {
            tongue
            for listed in _WORDS.values()
            for tongue, text in listed.items()
            if words in text.split(", ")
        }
        if len(tongues) == 1:
            found.update(tongues)
    return max(found, key=lambda tongue: found[tongue], default="")


def _bare(name: str) -> str:
    words = spelt(name)
    return re.sub(r"\s*\d+$", "", words) or words


@lru_cache(maxsize=1)
def _known() -> Mapping[Role, frozenset[str]]:
    return {
        role: frozenset(word for text in listed.values() for word in text.split(", "))
        for role, listed in _WORDS.items()
    }
