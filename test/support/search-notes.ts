/** A note that somebody looks for, by the words that it has and by what it means. */
export interface Labelled {
  path: string;
  text: string;
  /** A query with words of the note. */
  words: string;
  /** A query for the same note in other words. */
  meaning: string;
}

/** Each meaning is asked for without a telling word of its note. */
export const LABELLED: Labelled[] = [
  note(
    "commute",
    "I pedal to the office along the river whenever it is dry.",
    "pedal river office",
    "How do I travel to work without a car?",
  ),
  note(
    "sourdough",
    "Feed the starter with rye flour the evening before, then fold the dough every half hour.",
    "starter rye flour",
    "recipe for baking bread at home",
  ),
  note(
    "insulin",
    "Metformin twice a day with meals, and measure glucose before breakfast.",
    "metformin glucose",
    "treatment of diabetes",
  ),
  note(
    "router",
    "Hold the reset pin of the modem for ten seconds when the wireless network is gone.",
    "reset pin modem",
    "what to do if the internet connection fails",
  ),
  note(
    "lease",
    "The landlord keeps three monthly rents as a deposit until we move out.",
    "landlord deposit",
    "how much money did we leave for the apartment as security",
  ),
  note(
    "aurora",
    "Green curtains of light over Tromsø, minus twenty degrees, tripod needed.",
    "curtains Tromsø tripod",
    "photographing the northern lights in winter",
  ),
  note(
    "on-call",
    "Whoever carries the pager acknowledges an alert within five minutes and then informs the incident channel.",
    "pager acknowledges alert",
    "who responds when production breaks at night",
  ),
  note(
    "vaccine",
    "Rabies booster for the terrier is due in March at the clinic in Elm Street.",
    "rabies booster terrier",
    "veterinary appointment for the dog",
  ),
  note(
    "mortgage",
    "The bank offers 3.1 percent fixed over fifteen years for the house.",
    "bank percent fixed fifteen",
    "interest rate of our home loan",
  ),
  note(
    "tomatoes",
    "Pinch out the side shoots and water the roots, never the leaves.",
    "pinch side shoots",
    "advice for growing vegetables in the garden",
  ),
  note(
    "violin",
    "Scales in thirds first, then the slow movement with a metronome at sixty.",
    "scales thirds metronome",
    "plan for practising a musical instrument",
  ),
  note(
    "passport",
    "Renewal takes six weeks, bring two biometric photographs and the old booklet.",
    "renewal biometric booklet",
    "getting a new travel document from the government",
  ),
  note(
    "quarterly",
    "Revenue grew by a fifth while churn fell below two percent.",
    "revenue churn fifth",
    "how well did the company do financially",
  ),
  note(
    "marathon",
    "Long run on Sunday, intervals on Wednesday, two weeks of tapering before the race.",
    "intervals tapering",
    "training schedule for a long distance athlete",
  ),
  note(
    "backup",
    "Snapshots of the database are copied to the other region nightly and restored once a month as a rehearsal.",
    "snapshots nightly rehearsal",
    "how do we protect data against loss in a disaster",
  ),
  note(
    "chess",
    "After the Sicilian, castle early and break with d5 when the knights are pinned.",
    "Sicilian castle knights",
    "opening strategy in a board game",
  ),
  note(
    "tax",
    "Receipts for the home desk and the train subscription belong into annex N.",
    "receipts annex subscription",
    "what can be deducted in the yearly declaration to the revenue office",
  ),
  note(
    "birthday",
    "Mira turns seven: treasure hunt, lemon cake and no balloons because of the cat.",
    "treasure hunt lemon cake",
    "ideas for a child's party",
  ),
  note(
    "solar",
    "Twelve panels on the south roof give nine kilowatts at noon and charge the battery in the cellar.",
    "panels south roof kilowatts",
    "producing our own electricity from sunshine",
  ),
  note(
    "interview",
    "Ask every candidate for one decision that they would take back, and listen for what they learned.",
    "candidate decision take back",
    "questions for hiring a new colleague",
  ),
];

function note(name: string, text: string, words: string, meaning: string): Labelled {
  return { path: `labelled/${name}.md`, text: `# ${name}\n\n${text}\n`, words, meaning };
}

const PEOPLE = ["Ada", "Boris", "Chiara", "Deniz", "Emeka", "Freya", "Goro", "Hana", "Ivo", "Jana"];
const PROJECTS = [
  "Falcon",
  "Granite",
  "Harbour",
  "Indigo",
  "Juniper",
  "Krypton",
  "Lantern",
  "Meadow",
  "Nimbus",
  "Orchid",
];
const DID = [
  "agreed on the next milestone and moved the review to Thursday",
  "found the cause of the slow queries and wrote a ticket",
  "asked the supplier for a second offer with shorter delivery",
  "drew the new layout on the whiteboard and took a picture",
  "collected feedback from five customers about the menu",
  "cleaned up the wiki and archived what nobody reads",
  "compared two vendors of printers and chose the cheaper one",
  "translated the handbook and sent it to the team for comments",
  "renamed the folders so that the newest comes first",
  "wrote the minutes and shared them with the steering group",
];

/** Notes as a team keeps them, none of which answers a labelled query: 980 with the 20 labelled ones make 1,000. */
export function generatedNotes(count: number): { path: string; text: string }[] {
  return Array.from({ length: count }, (_, index) => {
    const pick = (list: string[], divisor: number) => list[Math.floor(index / divisor) % list.length] ?? "";
    const [person, project, did] = [pick(PEOPLE, 1), pick(PROJECTS, 10), pick(DID, 100)];
    const text = `---\ntags: [meeting, ${project.toLowerCase()}]\n---\n# ${project} ${String(index)}\n\n[[${person}]] ${did}.\n`;
    return { path: `meetings/${project}/${String(index)}.md`, text };
  });
}
