"""`k12.roster.class.v1`: one class, self-contained, as published. On `roster.state`, compacted."""

from roster_common.contracts.envelope import EventData, Wire
from roster_common.contracts.oneroster_values import ClassType, Day, Status
from roster_common.contracts.values import Count, SourcedId, Text


class ClassTerm(Wire):
    """A term the class is held in; `begin_date` is inside, `end_date` outside."""

    id: SourcedId
    title: Text | None = None
    begin_date: Day | None = None
    end_date: Day | None = None


class ClassState(EventData):
    """The class as of `revision` of the district; a higher revision replaces a lower one."""

    TYPE = "k12.roster.class.v1"
    TOPIC = "roster.state"

    class_id: SourcedId
    status: Status
    title: Text
    revision: Count
    class_code: Text | None = None
    class_type: ClassType | None = None
    course_id: SourcedId | None = None
    course_title: Text | None = None
    school_id: SourcedId | None = None
    school_name: Text | None = None
    terms: tuple[ClassTerm, ...] = ()
    grades: tuple[Text, ...] = ()
    subjects: tuple[Text, ...] = ()
    periods: tuple[Text, ...] = ()

    def entity_key(self) -> str:
        """`class/{classId}`."""
        return class_key(self.class_id)


def class_key(class_id: str) -> str:
    """Entity key of a class's state, also of its tombstone."""
    return f"class/{class_id}"
