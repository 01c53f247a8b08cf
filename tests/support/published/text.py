"""Training sets of text alone, as their publishers serve them. All rows are made up."""

from __future__ import annotations

from published.tree import Row, Served

PARQUET = "train-00000-of-00001.parquet"


def medquad(served: Served) -> None:
    """Two of three answers are empty, as in the parts whose answers were removed."""
    told = {"document_id": "0000001", "document_source": "X", "question_type": "information"}
    rows: list[Row] = [
        {**told, "question": "What is a wen ?", "answer": "A wen is a cyst of the skin."},
        {**told, "question": "What are the side effects of Examplin ?", "answer": None},
        {**told, "question": "Who should not take Examplin ?", "answer": ""},
    ]
    served.hub("lavita/MedQuAD").parquet(f"data/{PARQUET}", rows)


def medical_o1_verifiable(served: Served) -> None:
    hub = served.hub("FreedomIntelligence/medical-o1-verifiable-problem")
    hub.json(
        "medical_o1_verifiable_problem.json",
        [
            {
                "Open-ended Verifiable Question": "Which vitamin is lacking in a sailor with bleeding gums?",
                "Ground-True Answer": "Vitamin C",
            }
        ],
    )


def medical_o1_reasoning(served: Served) -> None:
    """Beside the two files lie two `_mix` files with the same rows and general ones."""
    hub = served.hub("FreedomIntelligence/medical-o1-reasoning-SFT")
    english: list[Row] = [
        {
            "Question": "A man cannot lift his wrist. Which nerve?",
            "Complex_CoT": "Hmm, the extensors. That is radial.",
            "Response": "The radial nerve is injured.",
        }
    ]
    chinese: list[Row] = [
        {"Question": "头痛怎么办？", "Complex_CoT": "嗯，先看病因。", "Response": "先休息，再看医生。"}
    ]
    general: Row = {"Question": "Write a line.", "Complex_CoT": "A line.", "Response": "The sea is wide."}
    hub.json("medical_o1_sft.json", english)
    hub.json("medical_o1_sft_Chinese.json", chinese)
    hub.json("medical_o1_sft_mix.json", [*english, general])
    hub.json("medical_o1_sft_mix_Chinese.json", [*chinese, general])


def apollo_corpus(served: Served) -> None:
    """Lists of questions and answers in turn; plain text, duplicates and an archive of everything beside them."""
    hub = served.hub("FreedomIntelligence/ApolloCorpus")
    hub.json(
        "train/pretrain/medicalBook_en_qa.json", [["What does the pylorus close?", "The stomach's outlet."]]
    )
    hub.json("train/pretrain/medicalBook_en_text.json", ["The pylorus is a muscle."])
    hub.json("train/sft/medicalExam_en_clean.json", [["Which is a bone?\nA. ulna\nB. aorta", "A. ulna"]])
    hub.json("train/sft/medicalExam_en.json", [["Which is a bone?\nA. ulna\nB. aorta", "A. ulna"]])
    hub.json("train/sft/medicalExam_fr_dup.json", [])
    hub.json(
        "train/sft/medicalPatient_en.json", [["My knee hurts.", "Since when?", "Since May.", "Rest it."]]
    )
    hub.json("train/sft/general_en.json", [["Tell a joke.", "No."]])
    hub.text("train/question_dup.py", "print('duplicates')\n")
    hub.bytes("ApolloCorpus.zip", b"PK\x05\x06" + b"\0" * 18)


def medical_r1_distill(served: Served) -> None:
    hub = served.hub("FreedomIntelligence/Medical-R1-Distill-Data")
    hub.json(
        "medical_r1_distill_sft.json",
        [
            {
                "question": "Which organ makes bile?",
                "reasoning (reasoning_content)": "Okay, bile is made by hepatocytes.",
                "response (content)": "**The liver** makes bile.",
            }
        ],
    )


def alpacare_52k(served: Served) -> None:
    """`<noinput>` stands where there is no input."""
    rows: list[Row] = [
        {"instruction": "Explain fever.", "input": "<noinput>", "output": "Fever is a raised temperature."},
        {"instruction": "Shorten it.", "input": "The heart, a muscle, beats.", "output": "The heart beats."},
    ]
    name = "data/train-00000-of-00001-297892d5d4e8a0ac.parquet"
    served.hub("lavita/AlpaCare-MedInstruct-52k").parquet(name, rows)


def healthcaremagic_100k(served: Served) -> None:
    ask = "If you are a doctor, please answer the medical questions based on the patient's description."
    rows: list[Row] = [{"instruction": ask, "input": "My ear itches.", "output": "Hi, keep it dry."}]
    name = "data/train-00000-of-00001-5e7cb295b9cff0bf.parquet"
    served.hub("lavita/ChatDoctor-HealthCareMagic-100k").parquet(name, rows)


def icliniq_10k(served: Served) -> None:
    """Three answers to each question; the doctor's is the one that is taught."""
    rows: list[Row] = [
        {
            "input": "Hello doctor, I sneeze in spring.",
            "answer_icliniq": "Hello, it may be pollen.",
            "answer_chatgpt": "Sneezing has many causes.",
            "answer_chatdoctor": "Take a pill.",
        }
    ]
    name = "data/train-00000-of-00001-d7ea9ee0f7a6ac7f.parquet"
    served.hub("lavita/ChatDoctor-iCliniq").parquet(name, rows)


def pmc_llama_instructions(served: Served) -> None:
    """One array; whose `input` holds question and options, or a context, and whose `output` an explanation."""
    rows: list[Row] = [
        {
            "source": "medmcqa",
            "instruction": "Answer the question and give the reason.",
            "input": "###Question: Which is a vein?\n###Options: A. cava\nB. aorta",
            "output": "###Rationale: The cava brings blood back. ###Answer: OPTION A IS CORRECT.",
            "sample_id": 1,
        }
    ]
    served.hub("axiong/pmc_llama_instructions").json("release.json", rows)


def huatuogpt2_sft(served: Served) -> None:
    hub = served.hub("FreedomIntelligence/HuatuoGPT2-SFT-GPT4-140K")
    talk = [{"from": "human", "value": "咳嗽怎么办？"}, {"from": "gpt", "value": "多喝温水。"}]
    more = [{"from": "human", "value": "还咳呢？"}, {"from": "gpt", "value": "请看医生。"}]
    hub.json(
        "HuatuoGPT2-GPT4-SFT-140K.json",
        [{"id": "1", "conversations": [*talk, *more]}, {"id": "2", "conversations": talk}],
    )


def huatuogpt2_sft__texts(served: Served) -> None:
    """The older publication: `data` is a list of texts, each with a mark of who speaks."""
    rows: list[Row] = [{"id": "0", "data": ["问：咳嗽怎么办？", "答：多喝温水。"]}]
    served.by_hand().jsonl("HuatuoGPT2_sft_instruct_GPT4.jsonl", rows)


def medreason(served: Served) -> None:
    """Options are one text. Some rows have none."""
    told = {"dataset_name": "medmcqa", "id_in_dataset": 7}
    rows: list[Row] = [
        {
            **told,
            "question": "Which drug slows the heart?",
            "options": "Answer Choices:\nA. metoprolol\nB. caffeine",
            "answer": "metoprolol. Explanation: it blocks beta receptors.",
            "reasoning": "Finding reasoning paths:\n1. metoprolol -> ADRB1\n\nReasoning Process:\n1. It blocks.",
        },
        {
            **told,
            "question": "What is a stent?",
            "options": "",
            "answer": "A tube.",
            "reasoning": "It holds.",
        },
    ]
    served.hub("UCSC-VLAA/MedReason").jsonl("ours_quality_33000.jsonl", rows)


def medthoughts_8k(served: Served) -> None:
    """Five options, the thinking, and the answer in words."""
    rows: list[Row] = [
        {
            "question_id": "US_train_1",
            "question": "A child has a barking cough. Diagnosis?",
            "options": {"A": "croup", "B": "asthma", "C": "measles", "D": "mumps", "E": "gout"},
            "answer_idx": "A",
            "ds_answer": "The answer is A: croup.",
            "ds_think": "Barking means the larynx.",
            "source": "MedQA/US/train",
        }
    ]
    hub = served.hub("hw-hwei/MedThoughts-8K")
    hub.jsonl("MedThoughts-8K.jsonl", rows)
    hub.text("README_ZH.md", "# MedThoughts-8K\n")


def synth_text_reasoning(served: Served) -> None:
    """As one who makes such rows would place them."""
    row: Row = {"instruction": "Why is iron given?", "reasoning": "Anaemia.", "output": "To make blood."}
    served.by_hand().jsonl("train.jsonl", [row])
