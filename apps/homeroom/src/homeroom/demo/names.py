"""Names for made-up people and schools, written for this project. Pure data, no real person.

The lists hold apostrophes, hyphens, blanks and letters outside ASCII on purpose: what is easy to
spell hides what breaks on real rosters.
"""

GIVEN_NAMES = (
    "Abena", "Adela", "Ahmed", "Aiko", "Alma", "Amir", "Anaïs", "Andre", "Anika", "Arjun",
    "Asha", "Astrid", "Avery", "Beatriz", "Bilal", "Blessing", "Bram", "Brígida", "Caleb", "Camila",
    "Carys", "Cedric", "Chidi", "Clara", "Cormac", "Dalia", "Damian", "Darnell", "Devon", "Diego",
    "Dimitri", "Dolores", "Eamon", "Ebony", "Eleni", "Elif", "Emeka", "Esme", "Ezra", "Fatima",
    "Femi", "Finn", "Freya", "Gideon", "Giulia", "Grace", "Hana", "Harun", "Hazel", "Hugo",
    "Ibrahim", "Ines", "Isla", "Ivan", "Jada", "Jamal", "Jana", "Jasper", "Jia", "Joaquín",
    "Jonah", "Juno", "Kai", "Kamila", "Keanu", "Keiko", "Kwame", "Lana", "Leila", "Leo",
    "Liam", "Lien", "Lucía", "Mae", "Malik", "Marisol", "Mateo", "Mei", "Mina", "Moses",
    "Nadia", "Naomi", "Nia", "Nikolai", "Noor", "Odette", "Omar", "Orla", "Otis", "Paloma",
    "Petra", "Priya", "Quincy", "Rafael", "Renée", "Rohan", "Rosa", "Ruth", "Saanvi", "Samir",
    "Selma", "Siobhan", "Sofía", "Soren", "Tariq", "Tess", "Theo", "Thuy", "Tobias", "Uma",
    "Valeria", "Viktor", "Wanjiru", "Wren", "Xavier", "Yara", "Yusuf", "Zahra", "Zeke", "Zoë",
)  # fmt: skip

FAMILY_NAMES = (
    "Abara", "Acosta", "Adeyemi", "Ahlgren", "Albrecht", "Alvarez", "Amado", "Anders", "Aquino",
    "Arce", "Asante", "Bailey", "Banerjee", "Barros", "Bautista", "Becker", "Begay", "Bellamy",
    "Bergström", "Blackwood", "Boateng", "Brandt", "Brennan", "Cabrera", "Calloway", "Castellano",
    "Chandra", "Chavez", "Cho", "Clement", "Contreras", "Cooper", "Cruz", "D'Angelo", "Dang",
    "Davila", "De la Cruz", "Delacroix", "Desai", "Diallo", "Donovan", "Dubois", "Duran", "Eastman",
    "Echohawk", "Ellison", "Engel", "Espinoza", "Estrada", "Eze", "Farah", "Ferrari", "Fields",
    "Fischer", "Flores", "Fonseca", "Franco", "Gallagher", "Garza", "Ghosh", "Gill", "Goldberg",
    "Grant", "Greenwood", "Gupta", "Haddad", "Hale", "Hansen", "Haruna", "Hassan", "Hendrix",
    "Herrera", "Hoang", "Holloway", "Hussain", "Ibarra", "Ishikawa", "Ivanov", "Jansen", "Joshi",
    "Juárez", "Kaminski", "Kaur", "Keller", "Kim", "Kimura", "Kowalski", "Kumar", "Lacroix", "Lam",
    "Larsen", "Le", "Leblanc", "Lindqvist", "Lopez", "Lozano", "Lu", "Lynch", "MacLeod", "Mahmoud",
    "Marsh", "Mbeki", "McAllister", "Medina", "Mensah", "Mercado", "Meyer", "Mishra", "Molina",
    "Montoya", "Moreau", "Nakamura", "Navarro", "Ndlovu", "Nguyen", "Nielsen", "Novak", "Núñez",
    "O'Brien", "O'Malley", "Ochoa", "Okafor", "Olsen", "Ortega", "Osei", "Pacheco", "Park", "Patel",
    "Pereira", "Petrov", "Pham", "Quintana", "Rahman", "Ramos", "Redfeather", "Reyes", "Rivera",
    "Romano", "Rossi", "Sandoval", "Santos", "Schneider", "Shah", "Sinclair", "Smith-Okoye",
    "Solis", "Stewart", "Suzuki", "Takahashi", "Tanaka", "Tesfaye", "Torres", "Tran", "Tsosie",
    "Underwood", "Vance", "Vargas", "Vega", "Villareal", "Vogel", "Walker", "Wang", "Weber",
    "Whitehorse", "Wójcik", "Wu", "Yamada", "Yang", "Yazzie", "Young", "Zapata", "Zhou", "Ziegler",
)  # fmt: skip

SCHOOL_NAMES = (
    "Alder Creek", "Bayberry", "Beacon Hill", "Birch Lane", "Bluff View", "Canyon Rim",
    "Cedar Park", "Clearwater", "Copper Ridge", "Cottonwood", "Crescent Lake", "Dogwood",
    "Eagle Point",
    "Elm Street", "Fern Hollow", "Foxglove", "Garnet Valley", "Granite Falls", "Harbor Light",
    "Hawthorn", "Heron Marsh", "Hickory Grove", "Horizon", "Ironwood", "Juniper", "Kestrel",
    "Lakeshore", "Larkspur", "Lighthouse", "Linden", "Magnolia", "Maple Glen", "Meadowlark",
    "Millbrook", "Mirror Lake", "North Fork", "Oak Meadow", "Old Mill", "Orchard", "Osprey",
    "Pine Barrens", "Prairie View", "Quail Run", "Red Rock", "River Bend", "Sagebrush",
    "Sandpiper", "Silver Birch", "Spring Hollow", "Stonebridge", "Sunrise", "Sweetgrass",
    "Sycamore", "Tamarack", "Timberline", "Valley Forge", "Walnut Grove", "Westwind", "Willow Bend",
    "Windmill",
)  # fmt: skip

CITY_NAMES = (
    "Alderton", "Brightwater", "Cedar Falls", "Dunmore", "Eastbrook", "Fairhaven", "Glenrock",
    "Harlow", "Ivydale", "Kingsport Landing", "Larchmont", "Millhaven", "Northfield", "Oakridge",
)  # fmt: skip
