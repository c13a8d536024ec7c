"""What a command takes: fields that hold no default have to be given, and the rest fits together."""

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from tda.config import jobs
from tda.config.jobs import DedupeJob, EmbedJob, FetchJob, IngestJob, PaperJob, PlanJob, ReportJob, SubmitJob, TrainJob, VerifyJob
from tda.errors import UserError

# a submission's root is that of its job; what is fetched belongs to none; a report of two has `roots`
ROOTLESS = (SubmitJob, FetchJob, ReportJob)
ALL = [job for job in vars(jobs).values() if getattr(job, "__module__", "") == jobs.__name__ and job not in ROOTLESS]


@pytest.mark.parametrize("job", ALL)
def test_the_root_of_every_job_has_to_be_given(job: type) -> None:
    with pytest.raises(MissingMandatoryValue):
        OmegaConf.structured(job).root  # noqa: B018 (the access raises)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IngestJob(rows_per_shard=0), "rows_per_shard=0 is too small; it must be at least 1"),
        (lambda: TrainJob(loss="infonice"), "loss='infonice' is unknown; choose one of: infonce, infoloob"),
        (lambda: VerifyJob(min_age_seconds=-1), "min_age_seconds=-1 is too small; it must be at least 0"),
    ],
)
def test_a_wrong_value_of_a_job_is_named_without_a_group(make: object, message: str) -> None:
    with pytest.raises(UserError) as refused:
        make()  # type: ignore[operator]
    assert str(refused.value) == message


def test_ingested_vectors_keep_their_precision_and_embedded_ones_are_halved() -> None:
    assert (IngestJob().embed.dtype, EmbedJob().embed.dtype) == ("float32", "float16")


def test_beside_a_list_of_encoders_no_encoder_is_needed() -> None:
    assert EmbedJob(encoders=["a"]).encoder.name == ""
    assert OmegaConf.is_missing(OmegaConf.structured(DedupeJob).encoder, "name")


def test_a_plan_takes_whatever_the_paper_takes() -> None:
    assert set(PaperJob.__dataclass_fields__) < set(PlanJob.__dataclass_fields__)


def test_jobs_share_no_group() -> None:
    first, second = PaperJob(), PaperJob()
    first.datasets.append("d")
    first.embed.max_attempts = 9
    assert (second.datasets, second.embed.max_attempts) == ([], 3)
