"""What Android's services print, shortened, in the form of real phones.

thermal_service: a Samsung A52 with Android 12 (android.stackexchange.com, question 246774).
battery: a Samsung phone (gh0st.tistory.com/6). power: Android's own words in a description of
`dumpsys power` (dtcms.com/a/382308). window: AOSP, KeyguardServiceDelegate.dump.
"""


def thermal_service(status: int) -> str:
    return f"""IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 1
\tkilled: false
\tbroadcasts count: -1
ThermalStatusListeners:
\tcallbacks: 4
\tkilled: false
\tbroadcasts count: -1
Thermal Status: {status}
Cached temperatures:
\tTemperature{{mValue=0.0, mType=2, mName=SUBBAT, mStatus=0}}
\tTemperature{{mValue=23.1, mType=0, mName=AP, mStatus=0}}
HAL Ready: true
HAL connection:
\tThermalHAL 2.0 connected: yes
Current temperatures from HAL:
\tTemperature{{mValue=25.6, mType=0, mName=AP, mStatus=0}}
\tTemperature{{mValue=23.8, mType=2, mName=BAT, mStatus=0}}
\tTemperature{{mValue=0.0, mType=4, mName=USB, mStatus=0}}
Current cooling devices from HAL:
Temperature static thresholds from HAL:
"""


def battery(percent: int, tenths: int, *, powered: bool) -> str:
    return f"""Current Battery Service state:
  AC powered: false
  USB powered: {"true" if powered else "false"}
  Wireless powered: false
  Max charging current: 0
  Max charging voltage: 0
  Charge counter: 0
  status: {2 if powered else 3}
  health: 2
  present: true
  level: {percent}
  scale: 100
  voltage: 4063
  temperature: {tenths}
  technology: Li-ion
  LED Low Battery: true
"""


def power(*, on: bool) -> str:
    return f"""POWER MANAGER (dumpsys power)

Power Manager State:
  mDirty=0x0
  mWakefulness={"Awake" if on else "Dozing"}
  mWakefulnessChanging=false
  mIsPowered=true
  mPlugType=2
  mBatteryLevel=71
  mStayOn=false

Display Power: state={"ON" if on else "OFF"}
"""


def window(*, locked: bool) -> str:
    return f"""WINDOW MANAGER POLICY STATE (dumpsys window policy)
    KeyguardServiceDelegate
      showing={"true" if locked else "false"}
      showingAndNotOccluded={"true" if locked else "false"}
      inputRestricted=false
"""
