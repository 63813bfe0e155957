// Package deadline computes by when an incident must be notified.
//
// A clock is a limit that a law sets on one notification: it starts with a
// recorded moment (awareness, classification, an earlier submission) and gives
// two instants. Safe is the start plus the law's number and nothing else; it
// is never moved. Latest is the most that the law allows: the full hour, the
// end of the day, noon of the next working day. Alarms follow safe, "late" is
// decided on latest, and each names the rules that gave it.
//
// Hours are added in UTC. Days and months are added in the time zone of the
// authority, because they end with a local day. Which zone counts is said
// nowhere, so it is a setting.
//
// The rules come from DORA (Regulation (EU) 2022/2554) with Delegated
// Regulation (EU) 2025/301, NIS-2 (Directive (EU) 2022/2555), the GDPR
// (Regulation (EU) 2016/679), the Cyber Resilience Act (Regulation (EU)
// 2024/2847) and, for how periods are counted, Regulation (EEC, Euratom) No
// 1182/71. Rules whose wording was not read at its source are marked
// unverified and stay so in every answer. Where two readings are possible the
// earlier instant is taken. None of it is legal advice: the entity decides,
// submits and stays responsible.
//
// Everything here is a pure function of its arguments. What a clock said when
// something was sent is kept by the incident's records, not here.
package deadline
