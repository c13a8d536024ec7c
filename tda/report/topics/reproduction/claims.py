"""The figures, tables, predictions and conjectures of the paper, in its order, and how each is judged."""

from tda.report.topics.reproduction import dimension, separation
from tda.report.topics.reproduction.judged import Claim

BOTH = "needs an encoder in the role of CLIP and one in that of CLOOB (report.models), on data sets in the roles of LAION and COCO"
ARMS = "needs the arms of the ablation (report.ablation) on a data set in the role of COCO"
GENERATED = "needs images generated under both models' guidance, and an independent encoder that measures their diversity"
COMPARED = "needs both models compared on the same pairs: jobs.analyze encoders=[CLIP,CLOOB]"

CLAIMS = (
    Claim(
        label="Fig. 1",
        says="LAION is nearer to the training data than COCO, in every model",
        judge=separation.nearer_to_training,
        needs="needs the closest rows of both data sets in a training set: jobs.nearest",
    ),
    Claim(
        label="Table I",
        says="A linear classifier separates the modalities of CLIP everywhere, of CLOOB on COCO but not on LAION",
        judge=separation.separable,
        needs=BOTH,
    ),
    Claim(
        label="CARP",
        says="The modalities of CARP's stories and reviews are separable",
        judge=separation.carp,
        needs="needs an encoder in the role of CARP",
    ),
    Claim(
        label="Fig. 2",
        says="Two principal components separate CLIP's modalities (on a data set that is not named)",
        judge=separation.two_components,
        needs=BOTH,
        any_of=True,
    ),
    Claim(
        label="Fig. 3", says="Random partners lie about cosine 0 in CLOOB, and above it in CLIP", judge=separation.random_cosine, needs=BOTH
    ),
    Claim(
        label="Fig. 3 (raters)",
        says="CLOOB's similarity follows human ratings, CLIP's does not",
        judge=separation.conjecture(1),
        needs="needs ratings of pairs by people, as those of Crisscrossed Captions",
    ),
    Claim(label="Fig. 4", says="On LAION's layout CLIP keeps apart, CLOOB interweaves", judge=separation.layout("LAION"), needs=BOTH),
    Claim(label="Fig. 5", says="On COCO's layout CLIP keeps apart, CLOOB interweaves", judge=separation.layout("COCO"), needs=BOTH),
    Claim(
        label="Fig. 6",
        says="In the space, a row's neighbours are of its own modality in CLIP, and of both in CLOOB",
        judge=separation.neighbours,
        needs=BOTH,
    ),
    Claim(
        label="Fig. 7",
        says="InfoLOOB without Hopfield retrieval mixes the modalities, InfoNCE with it keeps them apart (one training of each arm)",
        judge=separation.ablation,
        needs=ARMS,
    ),
    Claim(
        label="Fig. 8",
        says="The distance that all pairs share is smaller under InfoLOOB than under InfoNCE with Hopfield retrieval",
        judge=separation.ablation_distances,
        needs=ARMS,
    ),
    Claim(label="Fig. 9", says="Complete and dimensional collapse, in a drawing", judge=dimension.drawn_cases, needs=""),
    *(
        Claim(
            label=f"Fig. {place}",
            says=f"The spectrum of {rows} collapses in CLOOB and not in CLIP",
            judge=dimension.collapses(modality),
            needs=BOTH,
        )
        for place, modality, rows in ((10, "image", "images"), (11, "text", "texts"), (12, "both", "both"))
    ),
    *(
        Claim(
            label=f"Fig. {place}",
            says=f"Inside clusters of {modality}s, CLOOB takes fewer dimensions than all rows, CLIP about as many (LAION)",
            judge=dimension.local_rank(modality),
            needs=BOTH,
        )
        for place, modality in ((13, "image"), (14, "text"))
    ),
    Claim(
        label="Table II",
        says="CLIP retrieves better than CLOOB on both data sets, and both retrieve better on LAION",
        judge=dimension.table_two,
        needs=COMPARED,
    ),
    Claim(
        label="Fig. 15",
        says="The correlation of area and top-1 over clusters is alike in both models on LAION, and unlike that on COCO",
        judge=dimension.local_correlation,
        needs=BOTH,
    ),
    Claim(
        label="Prediction 1",
        says="CLOOB has the smaller gap, CLIP the better retrieval across modalities",
        judge=dimension.prediction(1),
        needs=COMPARED,
    ),
    Claim(label="Prediction 2", says="Local dimension predicts retrieval, global does not", judge=dimension.prediction(2), needs=COMPARED),
    Claim(
        label="Conjecture 1",
        says="Guided images are more diverse in clusters of higher local dimension",
        judge=separation.conjecture(1),
        needs=GENERATED,
    ),
    Claim(label="Conjecture 2", says="CLOOB guides to more diverse images than CLIP", judge=separation.conjecture(2), needs=GENERATED),
    *(
        Claim(
            label=f"Fig. {place}",
            says=f"{model}'s layout {word} under every setting",
            judge=separation.settings(model, apart=apart),
            needs="needs a sweep of layouts: jobs.analyze -m analysis.umap.n_neighbors=5,15 analysis.umap.min_dist=0,0.1",
        )
        for place, model, word, apart in ((16, "CLIP", "keeps the modalities apart", True), (17, "CLOOB", "interweaves them", False))
    ),
)
