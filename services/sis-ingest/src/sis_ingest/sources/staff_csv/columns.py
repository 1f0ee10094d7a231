"""The columns of a staff file, by the names that HR and financial systems give them. Pure data."""

from typing import Final

from sis_ingest.tables.columns import Column

COLUMNS: Final = (
    Column(
        name="employeeId",
        aliases=(
            "Employee Number", "Employee No", "Employee #", "Emp ID", "Emp No", "EmplID",
            "Staff ID", "Staff Number", "Personnel Number", "Payroll ID", "Badge Number",
        ),
        required=True,
    ),
    Column(
        name="givenName",
        aliases=("First Name", "First", "FName", "Legal First Name", "Employee First Name"),
        required=True,
    ),
    Column(
        name="familyName",
        aliases=(
            "Last Name", "Last", "LName", "Surname", "Legal Last Name", "Employee Last Name",
        ),
        required=True,
    ),
    Column(name="middleName", aliases=("Middle", "Middle Initial", "MI", "Legal Middle Name")),
    Column(name="preferredFirstName", aliases=("Preferred Name", "Preferred First", "Nickname")),
    Column(
        name="email",
        aliases=("Email Address", "Work Email", "Business Email", "District Email"),
    ),
    Column(name="phone", aliases=("Work Phone", "Business Phone", "Phone Number", "Extension")),
    Column(name="username", aliases=("Login", "Network ID", "User ID")),
    Column(name="stateId", aliases=("State Staff ID", "Educator ID", "SEID", "State Educator ID")),
    Column(
        name="siteCode",
        aliases=(
            "Site", "Site Number", "Site ID", "Location Code", "Location ID", "Location Number",
            "Location", "Work Location", "School Code", "School Number", "School ID", "School",
            "Building Code", "Building", "Cost Center", "Department Code",
        ),
        required=True,
    ),
    Column(
        name="siteName",
        aliases=("Location Name", "Location Description", "School Name", "Building Name"),
    ),
    Column(name="siteType", aliases=("Location Type", "Building Type")),
    Column(
        name="jobTitle",
        aliases=(
            "Title", "Position", "Position Title", "Job", "Job Description", "Job Class",
            "Position Description", "Classification",
        ),
    ),
    Column(name="role", aliases=("OneRoster Role",)),
    Column(name="status", aliases=("Employment Status", "Employee Status", "Emp Status")),
    Column(
        name="terminationDate",
        aliases=(
            "Termination", "Term Date", "Separation Date", "End Date", "Last Day",
            "Last Day Worked",
        ),
    ),
    Column(name="hireDate", aliases=("Start Date", "Date of Hire", "Original Hire Date", "Hired")),
    Column(name="managerId", aliases=("Manager", "Manager Number", "Supervisor ID", "Supervisor")),
)  # fmt: skip
